// TRANSACTION and UPDATE: the maildrop.
#include <utility>

#include "proto/pop3/server_session.hpp"

namespace posthorn::pop3 {

std::optional<ServerAction> ServerSession::obey_transaction(const Command& command) {
    switch (command.verb) {
        case Verb::stat: ok(std::to_string(maildrop_.count()) + ' ' + std::to_string(maildrop_.bytes())); break;
        case Verb::list: list(command.argument, Listing::sizes); break;
        case Verb::uidl: list(command.argument, Listing::uids); break;
        case Verb::retr: return fetch(command.argument, false);
        case Verb::top: return fetch(command.argument, true);
        case Verb::dele: dele(command.argument); break;
        case Verb::noop: ok(""); break;
        case Verb::rset:
            maildrop_.unmark_all();
            ok(std::to_string(maildrop_.count()) + " messages (" + std::to_string(maildrop_.bytes()) + " octets)");
            break;
        case Verb::capa: capabilities(); break;
        case Verb::quit: return quit();
        case Verb::unknown: err("Unknown command"); break;
        default: err("You are logged in already"); break;
    }
    return std::nullopt;
}

std::optional<std::size_t> ServerSession::number(std::string_view argument) {
    const auto given = parse_number(argument);
    if (given && maildrop_.has(*given)) return *given;
    err(given ? "No such message" : "A message has a number");
    return std::nullopt;
}

void ServerSession::list(std::string_view argument, Listing what) {
    if (argument.empty()) {
        ok(std::to_string(maildrop_.count()) + " messages");
        listing_ = what;
        listed_ = 1;
        return;
    }
    const auto one = number(argument);
    if (!one) return;
    out_ += "+OK ";
    append_listing(*one, what);
}

// As much as fits; the rest follows when that is written.
void ServerSession::continue_listing() {
    while (out_.size() < kMaxOutput && listed_ <= maildrop_.last()) {
        if (maildrop_.has(listed_)) append_listing(listed_, listing_);
        ++listed_;
    }
    if (listed_ <= maildrop_.last()) return;
    out_ += ".\r\n";
    listing_ = Listing::none;
}

// RFC 1939 §7: 1 to 70 printable characters, stable and never reused: UIDVALIDITY and UID are that together.
void ServerSession::append_listing(std::size_t which, Listing what) {
    const auto& message = maildrop_.at(which);
    (out_ += std::to_string(which)) += ' ';
    if (what == Listing::uids)
        ((out_ += std::to_string(maildrop_.uid_validity())) += '-') += std::to_string(message.uid);
    else
        out_ += std::to_string(message.size);
    out_ += "\r\n";
}

std::optional<ServerAction> ServerSession::fetch(std::string_view argument, bool top) {
    const auto [first, second] = first_word(argument);
    std::optional<std::uint32_t> lines;
    if (top) {
        lines = parse_number(second);
        if (!lines) {
            err("Syntax: TOP message lines");
            return std::nullopt;
        }
    }
    const auto which = number(top ? first : argument);
    if (!which) return std::nullopt;
    const auto& message = maildrop_.at(*which);
    sender_ = Transparency(lines);
    sending_top_ = top;
    sending_size_ = message.size;
    return ask({.kind = ServerAction::Kind::message, .uid = message.uid}, Awaiting::message);
}

void ServerSession::on_message() {
    settle(Awaiting::message);
    ok(sending_top_ ? "" : std::to_string(sending_size_) + " octets");
    stage_ = Stage::sending;
}

void ServerSession::on_message_failed(bool gone) {
    settle(Awaiting::message);
    no(gone ? "This message is gone" : "[SYS/TEMP] The message cannot be read now");
}

void ServerSession::on_piece(std::string_view bytes) {
    settle(Awaiting::piece);
    sender_.feed(bytes, out_);
    if (!bytes.empty() && !sender_.done()) return;
    sender_.finish(out_);
    stage_ = Stage::transaction;
    if (sending_top_) return;
    ++retrieved_;
    octets_ += sending_size_;
}

void ServerSession::dele(std::string_view argument) {
    const auto which = number(argument);
    if (!which) return;
    maildrop_.mark(*which);
    ok("Marked");
}

// RFC 1939 §6
std::optional<ServerAction> ServerSession::quit() {
    if (maildrop_.count() != maildrop_.last()) return ask({.kind = ServerAction::Kind::update}, Awaiting::update);
    ok(options_.hostname + " closes, goodbye");
    end("quit");
    return std::nullopt;
}

void ServerSession::on_updated(bool done) {
    settle(Awaiting::update);
    if (done)
        ok(options_.hostname + " closes, goodbye");
    else
        no("[SYS/TEMP] Some marked messages were not removed");
    end("quit");
}

}  // namespace posthorn::pop3
