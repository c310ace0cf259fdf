// Drives a POP3 session machine from a string of input, over a maildrop in memory: for unit tests and the fuzzer.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/pop3/server_session.hpp"

namespace posthorn::tests {

struct Pop3Play {
    enum class Cut : std::uint8_t { none, eof, timed_out, broken };

    std::vector<std::string> messages{"Subject: 1\r\n\r\none\r\n", "Subject: 2\r\n\r\n.two\n..\nthree"};
    std::string user = "ann@example.org";
    std::string password = "secret";
    std::size_t octets = 1 << 16;  // given at once
    std::size_t piece = 1 << 16;   // of a message
    Cut cut = Cut::none;
    std::size_t cut_at = 0;  // the action that fails
    pop3::LoginVerdict verdict = pop3::LoginVerdict::ok;
    std::optional<pop3::OpenFailure> open_failure;
    bool message_fails = false;
    bool update_fails = false;

    // What came of it.
    std::string output;
    std::size_t actions = 0;
    std::vector<std::uint32_t> removed;
    std::size_t largest_write = 0;
    bool closed = false;

    // Until the input is used up and answered, or the session ends.
    void run(pop3::ServerSession& machine, std::string_view input) {
        using Kind = pop3::ServerAction::Kind;
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
                    if (input.empty()) return machine.on_eof();
                    const auto space = machine.input_space();
                    const auto size = std::min({octets, space.size(), input.size()});
                    std::memcpy(space.data(), input.data(), size);
                    input.remove_prefix(size);
                    machine.on_bytes(size);
                    break;
                }
                case Kind::write:
                    output += action.bytes;
                    largest_write = std::max(largest_write, action.bytes.size());
                    machine.on_written();
                    break;
                case Kind::start_tls:
                    output += "<TLS>";
                    machine.on_tls({});
                    break;
                case Kind::login: login(machine); break;
                case Kind::open: open(machine); break;
                case Kind::message:
                    if (message_fails) {
                        machine.on_message_failed(true);
                        break;
                    }
                    body_ = messages[action.uid - 11];
                    machine.on_message();
                    break;
                case Kind::piece: {
                    const auto size = std::min(piece, body_.size());
                    machine.on_piece(body_.substr(0, size));
                    body_.remove_prefix(size);
                    break;
                }
                case Kind::update:
                    if (!update_fails) removed = machine.marked();
                    machine.on_updated(!update_fails);
                    break;
                case Kind::close: break;
            }
        }
    }

private:
    void fail(pop3::ServerSession& machine) const {
        if (cut == Cut::eof) return machine.on_eof();
        if (cut == Cut::timed_out) return machine.on_timeout();
        machine.on_broken();
    }

    void login(pop3::ServerSession& machine) const {
        if (verdict != pop3::LoginVerdict::ok) return machine.on_login(verdict);
        if (std::holds_alternative<sasl::NeedSecret>(machine.need()))
            return machine.on_secret({.salt = "salt",
                                      .iterations = 4096,
                                      .stored_key = std::string(32, 's'),
                                      .server_key = std::string(32, 'k')});
        bool right = false;
        if (const auto* asked = std::get_if<sasl::NeedPassword>(&machine.need()))
            right = asked->user == user && asked->password == password;
        machine.on_login(right ? pop3::LoginVerdict::ok : pop3::LoginVerdict::wrong);
    }

    void open(pop3::ServerSession& machine) const {
        if (open_failure) return machine.on_open_failed(*open_failure);
        std::vector<pop3::MaildropMessage> list;
        std::uint32_t uid = 11;
        for (const auto& message : messages) list.push_back({.size = message.size(), .uid = uid++});
        machine.on_opened(7, std::move(list));
    }

    std::string_view body_;
};

}  // namespace posthorn::tests
