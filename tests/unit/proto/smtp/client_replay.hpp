// Plays a server to a ClientSession from a script, whole, in single octets, or cut short at any of its steps.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "proto/smtp/client_session.hpp"

namespace posthorn::smtp::client_test {

// What the client must have written since the last turn, and what it is told then. "<TLS>": the hand-shake.
struct Turn {
    std::string client;
    std::string server;
};

enum class Cut { none, eof, timed_out, broken };

struct Replay {
    std::vector<Turn> script;
    std::string message;           // trace headers and body
    std::size_t piece = 1 << 16;   // of the body, in octets
    std::size_t octets = 1 << 16;  // given to on_bytes() at once
    Cut cut = Cut::none;
    std::size_t cut_at = 0;  // the turn that never comes
    bool tls_fails = false;

    // Runs until the session is ready or closed; true: ready.
    bool run(ClientSession& session) {
        for (std::size_t steps = 0; steps < 100'000; ++steps) {
            const auto action = session.next();
            switch (action.type) {
                case ClientAction::Type::write: written += action.bytes; break;
                case ClientAction::Type::read: answer(session); break;
                case ClientAction::Type::body: give(session, action.max); break;
                case ClientAction::Type::start_tls:
                    if (tls_fails) {
                        session.on_tls_failed("bad certificate");
                    } else {
                        session.on_tls("TLSv1.3");
                    }
                    break;
                case ClientAction::Type::ready: return true;
                case ClientAction::Type::close: return false;
            }
        }
        FAIL("the session never comes to an end");
        return false;
    }

    std::string written;
    std::size_t turn = 0;
    std::size_t given = 0;

private:
    void answer(ClientSession& session) {
        if (cut != Cut::none && turn == cut_at) {
            if (cut == Cut::eof) return session.on_eof();
            return session.on_failure(cut == Cut::timed_out, "Connection reset by peer");
        }
        REQUIRE_MESSAGE(turn < script.size(), "nothing left to answer: " << written);
        CHECK(written == script[turn].client);
        written.clear();
        const std::string_view reply = script[turn++].server;
        for (std::size_t at = 0; at < reply.size(); at += octets) session.on_bytes(reply.substr(at, octets));
    }

    void give(ClientSession& session, std::uint64_t max) {
        if (max == 0) given = message.size();
        const auto size = std::min<std::uint64_t>({piece, max, message.size() - given});
        for (const auto view : session.body(std::string_view(message).substr(given, size))) written += view;
        given += size;
    }
};

}  // namespace posthorn::smtp::client_test
