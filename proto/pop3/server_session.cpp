#include "proto/pop3/server_session.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace posthorn::pop3 {

ServerSession::ServerSession(ServerOptions options)
    : options_(std::move(options)),
      offer_{.mechanisms = std::move(options_.mechanisms), .clear = options_.clear_login},
      stage_(options_.implicit_tls ? Stage::tls : Stage::greeting) {}

ServerAction ServerSession::next() {
    if (awaiting_ != Awaiting::none) throw std::logic_error("pop3 session: next() before the last action's answer");
    while (true) {
        if (!out_.empty() && (flush_ || out_.size() >= kMaxOutput || stage_ == Stage::closing || to_tls_)) {
            flush_ = false;
            return ask({.kind = ServerAction::Kind::write, .timeout = ServerTimeout::write, .bytes = out_},
                       Awaiting::written);
        }
        if (stage_ == Stage::closing) return {.kind = ServerAction::Kind::close};
        if (auto action = step()) return *action;
    }
}

std::optional<ServerAction> ServerSession::step() {
    if (pending_) {
        awaiting_ = pending_awaiting_;
        return std::exchange(pending_, std::nullopt);
    }
    if (std::exchange(to_tls_, false)) stage_ = Stage::tls;
    switch (stage_) {
        case Stage::tls:
            return ask({.kind = ServerAction::Kind::start_tls, .timeout = ServerTimeout::login}, Awaiting::tls);
        case Stage::greeting:
            stage_ = Stage::authorization;
            ok(options_.hostname + " POP3 server ready");
            flush_ = true;
            return std::nullopt;
        case Stage::sending: return ask({.kind = ServerAction::Kind::piece}, Awaiting::piece);
        case Stage::authorization:
        case Stage::exchange:
        case Stage::transaction: return step_line();
        case Stage::closing: break;
    }
    return std::nullopt;
}

// One line and what it asks for; replies to a pipeline leave together (RFC 2449 §6.6).
std::optional<ServerAction> ServerSession::step_line() {
    if (listing_ != Listing::none) {
        continue_listing();
        return std::nullopt;
    }
    if (stopping_ && stage_ != Stage::exchange && begin_ == end_) {
        no("[SYS/TEMP] The server goes down");
        end("shutdown");
        return std::nullopt;
    }
    const auto line = take_line();
    if (stage_ == Stage::closing) return std::nullopt;
    if (!line) {
        flush_ = true;
        if (!out_.empty()) return std::nullopt;
        return read();
    }
    waiting_ = false;
    if (stage_ == Stage::exchange) return respond(*line);
    const auto command = parse_command(*line);
    return stage_ == Stage::transaction ? obey_transaction(command) : obey_authorization(command);
}

ServerAction ServerSession::ask(ServerAction action, Awaiting awaiting) {
    awaiting_ = awaiting;
    return action;
}

ServerAction ServerSession::read() {
    const auto timeout = stage_ == Stage::transaction ? ServerTimeout::idle : ServerTimeout::login;
    const bool fresh = !std::exchange(waiting_, true);
    return ask({.kind = ServerAction::Kind::read, .timeout = timeout, .fresh = fresh}, Awaiting::bytes);
}

std::span<char> ServerSession::input_space() {
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ > 0) {
        std::memmove(input_.get(), input_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    const auto wanted = end_ < kSmallInput ? kSmallInput : kLargeInput;
    if (capacity_ < wanted || (end_ == 0 && capacity_ > kSmallInput)) {
        auto room = std::make_unique<char[]>(wanted);
        if (end_ != 0) std::memcpy(room.get(), input_.get(), end_);
        input_ = std::move(room);
        capacity_ = wanted;
    }
    return {input_.get() + end_, capacity_ - end_};
}

// Views into the input stay valid until the next read. An overlong line is skipped, and answered at its end.
std::optional<std::string_view> ServerSession::take_line() {
    while (true) {
        const auto text = unread();
        const auto lf = text.find('\n', searched_);
        if (lf == std::string_view::npos) {
            searched_ = text.size();
            if (overflow_ || text.size() >= max_line()) {
                overflow_ = true;
                begin_ = end_;
                searched_ = 0;
            }
            return std::nullopt;
        }
        searched_ = 0;
        begin_ += lf + 1;
        auto line = text.substr(0, lf);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!std::exchange(overflow_, false) && line.size() < max_line()) return line;
        waiting_ = false;
        if (stage_ == Stage::exchange) {
            exchange_.end();
            stage_ = Stage::authorization;
        }
        err("Line too long");
        if (stage_ == Stage::closing) return std::nullopt;
    }
}

void ServerSession::settle(Awaiting expected) {
    if (awaiting_ != expected) throw std::logic_error("pop3 session: answer to another action than the last");
    awaiting_ = Awaiting::none;
}

void ServerSession::on_bytes(std::size_t count) {
    settle(Awaiting::bytes);
    end_ += count;
}

void ServerSession::on_written() {
    settle(Awaiting::written);
    if (out_.capacity() > 4 * kMaxOutput)
        out_ = {};
    else
        out_.clear();
}

void ServerSession::on_tls(sasl::Channel channel) {
    settle(Awaiting::tls);
    offer_.tls = std::move(channel);
    // RFC 2595 §4: what was said before is forgotten, there is no second greeting.
    user_.clear();
    stage_ = options_.implicit_tls ? Stage::greeting : Stage::authorization;
}

void ServerSession::ok(std::string_view text) {
    out_ += "+OK";
    if (!text.empty()) (out_ += ' ') += text;
    out_ += "\r\n";
}

void ServerSession::err(std::string_view text) {
    if (++errors_ < options_.max_errors) return no(text);
    no("Too many errors");
    end("too many errors");
}

void ServerSession::end(std::string_view why) {
    if (ending_.empty()) ending_ = why;
    stage_ = Stage::closing;
}

void ServerSession::on_eof() {
    awaiting_ = Awaiting::none;
    out_.clear();
    end("eof");
}

void ServerSession::on_timeout() {
    awaiting_ = Awaiting::none;
    out_.clear();
    end("timed out");
}

void ServerSession::on_broken() {
    awaiting_ = Awaiting::none;
    out_.clear();
    end("connection lost");
}

bool ServerSession::idle() const {
    return awaiting_ == Awaiting::bytes && begin_ == end_ && stage_ != Stage::exchange;
}

std::string ServerSession::interrupt(Interruption why) {
    settle(Awaiting::bytes);
    out_.clear();
    const bool timeout = why == Interruption::timeout;
    end(timeout ? "timed out" : "shutdown");
    return timeout ? "" : "-ERR [SYS/TEMP] The server goes down\r\n";
}

}  // namespace posthorn::pop3
