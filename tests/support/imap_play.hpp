// Drives an IMAP session machine from a string of input, with a driver that does nothing but say so: for unit tests and
// the fuzzer.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/imap/server_session.hpp"

namespace posthorn::tests {

struct ImapPlay {
    enum class Cut : std::uint8_t { none, eof, timed_out, broken };
    struct Appended {
        std::string mailbox;
        std::vector<std::string> messages;
        bool operator==(const Appended&) const = default;
    };

    std::string user = "ann@example.org";
    std::string password = "secret";
    std::size_t octets = 1 << 16;  // given at once
    Cut cut = Cut::none;
    std::size_t cut_at = 0;  // the action that fails
    imap::LoginVerdict verdict = imap::LoginVerdict::ok;
    std::string no_mailbox;                     // SELECT and APPEND refuse it
    std::optional<std::string> refuse_message;  // a piece that holds this is refused

    // What came of it.
    std::string output;
    std::size_t actions = 0;
    std::vector<std::string> commands;  // verbs that were run
    std::vector<Appended> appended;
    std::vector<imap::ServerTimeout> waits;
    int compressed = 0;
    std::size_t largest_write = 0;
    bool closed = false;

    // Until the input is used up and answered, or the session ends. `last`: no more will come.
    void run(imap::ServerSession& machine, std::string_view input, bool last = true) {
        using Kind = imap::ServerAction::Kind;
        while (true) {
            const auto action = machine.next();
            if (action.kind == Kind::close) {
                closed = true;
                return;
            }
            if (cut != Cut::none && actions++ == cut_at) {
                fail(machine);
                continue;
            }
            switch (action.kind) {
                case Kind::read: {
                    waits.push_back(action.timeout);
                    if (input.empty()) {
                        if (!last) {
                            held_ = true;
                            return;
                        }
                        machine.on_eof();
                        break;
                    }
                    give(machine, input);
                    break;
                }
                case Kind::write:
                    output += action.bytes;
                    largest_write = std::max(largest_write, action.bytes.size());
                    machine.on_written();
                    break;
                case Kind::compress:  // the same octets, here
                    ++compressed;
                    machine.on_compressed();
                    break;
                case Kind::start_tls:
                    output += "<TLS>";
                    input = {};  // the clear text behind STARTTLS never reaches the machine as TLS
                    machine.on_tls({.tls_exporter = std::string(32, 'x')});
                    break;
                case Kind::login: login(machine); break;
                case Kind::run: machine.on_done(reply(machine)); break;
                case Kind::append: append(machine, action); break;
                case Kind::piece:
                    if (refuse_message && action.bytes.find(*refuse_message) != std::string_view::npos) {
                        machine.on_append(imap::Reply::no("Not this one"));
                        break;
                    }
                    open_.messages.back() += action.bytes;
                    machine.on_append(std::nullopt);
                    break;
                case Kind::close: break;
            }
        }
    }

    // A dialogue: the machine waits in a read between calls. What it answered.
    std::string say(imap::ServerSession& machine, std::string_view input) {
        output.clear();
        if (held_ && !input.empty()) {
            held_ = false;
            give(machine, input);
        }
        if (!held_) run(machine, input, false);
        return output;
    }

private:
    void give(imap::ServerSession& machine, std::string_view& input) {
        const auto space = machine.input_space();
        const auto size = std::min({octets, space.size(), input.size()});
        std::memcpy(space.data(), input.data(), size);
        input.remove_prefix(size);
        machine.on_bytes(size);
    }

    void fail(imap::ServerSession& machine) const {
        switch (cut) {
            case Cut::eof: return machine.on_eof();
            case Cut::timed_out: return machine.on_timeout();
            default: return machine.on_broken();
        }
    }

    void login(imap::ServerSession& machine) const {
        auto& need = machine.need();
        if (std::holds_alternative<sasl::NeedSecret>(need)) {
            const auto size = std::get<sasl::NeedSecret>(need).hash == sasl::ScramHash::sha_1 ? 20U : 32U;
            return machine.on_secret({"salt", 4096, std::string(size, 's'), std::string(size, 'k')});
        }
        bool right = false;
        if (const auto* given = std::get_if<sasl::NeedPassword>(&need)) {
            right = given->user == user && given->password == password;
        }
        machine.on_login(right ? verdict : imap::LoginVerdict::wrong);
    }

    imap::Reply reply(imap::ServerSession& machine) {
        commands.emplace_back(machine.command().verb);
        if (const auto* select = std::get_if<imap::Select>(&machine.command().what)) {
            if (select->mailbox == no_mailbox) return imap::Reply::no("There is no such mailbox", "NONEXISTENT");
        }
        machine.out() += "* " + commands.back() + "\r\n";
        return imap::Reply::ok("Done");
    }

    void append(imap::ServerSession& machine, const imap::ServerAction& action) {
        using Kind = imap::AppendEvent::Kind;
        switch (action.event->kind) {
            case Kind::open:
                if (action.event->text == no_mailbox) {
                    return machine.on_append(imap::Reply::no("There is no such mailbox", "TRYCREATE"));
                }
                open_ = {action.event->text, {}};
                break;
            case Kind::message: open_.messages.emplace_back(); break;
            case Kind::url: open_.messages.back() += "<" + action.event->text + ">"; break;
            case Kind::literal:
            case Kind::message_end: break;
            case Kind::end:
                appended.push_back(std::move(open_));
                return machine.on_done(imap::Reply::ok("Appended"));
        }
        machine.on_append(std::nullopt);
    }

    Appended open_;
    bool held_ = false;
};

}  // namespace posthorn::tests
