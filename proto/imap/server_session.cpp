#include "proto/imap/server_session.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "proto/imap/limits.hpp"
#include "proto/imap/text.hpp"

namespace posthorn::imap {
namespace {

// Octets of a message that buy a new wait.
constexpr std::size_t kBlock = 1024;

}  // namespace

ServerSession::ServerSession(ServerOptions options)
    : options_(std::move(options)),
      offer_{.mechanisms = std::move(options_.mechanisms), .clear = options_.clear_login},
      stage_(options_.implicit_tls ? Stage::tls : Stage::greeting) {}

ServerAction ServerSession::next() {
    if (awaiting_ != Awaiting::none) throw std::logic_error("imap session: next() before the last action's answer");
    while (true) {
        if (!out_.empty() && (out_.size() >= kMaxOutput || stage_ == Stage::closing || stage_ == Stage::tls ||
                              stage_ == Stage::compress))
            return write();
        if (stage_ == Stage::closing) return {.kind = ServerAction::Kind::close};
        if (auto action = step()) return *action;
    }
}

std::optional<ServerAction> ServerSession::step() {
    switch (stage_) {
        case Stage::tls:
            return ask({.kind = ServerAction::Kind::start_tls, .timeout = ServerTimeout::login}, Awaiting::tls);
        case Stage::compress: return ask({.kind = ServerAction::Kind::compress}, Awaiting::compress);
        case Stage::greeting:
            out_ += "* OK [" + capabilities() + "] " + options_.hostname + " IMAP server ready\r\n";
            stage_ = Stage::command;
            return std::nullopt;
        case Stage::message:
            if (auto action = step_message()) return action;
            return std::nullopt;
        case Stage::exchange:
            if (next_step_) {
                auto step = std::move(*next_step_);
                next_step_.reset();
                return follow(std::move(step));
            }
            return step_input();
        case Stage::command:
        case Stage::idle: return step_input();
        case Stage::closing: break;
    }
    return std::nullopt;
}

std::optional<ServerAction> ServerSession::step_input() {
    if (stopping_ && idle()) {
        bye("The server goes down", "server down");
        return std::nullopt;
    }
    while (reader_.state() == CommandReader::State::reading) {
        if (begin_ == end_) return out_.empty() ? read() : write();
        begin_ += reader_.feed(unread());
    }
    if (reader_.state() == CommandReader::State::literal) {
        on_literal();
        return std::nullopt;
    }
    return on_line();
}

ServerAction ServerSession::ask(ServerAction action, Awaiting awaiting) {
    awaiting_ = awaiting;
    return action;
}

ServerAction ServerSession::read() {
    const bool fresh = !std::exchange(waiting_, true);
    if (fresh) since_fresh_ = 0;
    const bool begun = stage_ == Stage::message || !reader_.idle();
    const auto timeout = state_ == State::not_authenticated ? ServerTimeout::login
                         : begun                            ? ServerTimeout::command
                                                            : ServerTimeout::idle;
    return ask(
        {.kind = ServerAction::Kind::read, .timeout = timeout, .fresh = fresh, .idle = stage_ == Stage::idle},
        Awaiting::bytes);
}

ServerAction ServerSession::write() {
    return ask({.kind = ServerAction::Kind::write, .timeout = ServerTimeout::write, .bytes = out_},
               Awaiting::written);
}

void ServerSession::settle(Awaiting expected) {
    if (awaiting_ != expected) throw std::logic_error("imap session: answer to another action than the last");
    awaiting_ = Awaiting::none;
}

// Little room for those who wait for news; more for what comes faster than it is read.
std::span<char> ServerSession::input_space() {
    if (begin_ == end_) begin_ = end_ = 0;
    const auto wanted = filled_ || stage_ == Stage::message ? kLargeInput : kSmallInput;
    if (capacity_ != wanted && begin_ == end_) {
        input_ = std::make_unique_for_overwrite<char[]>(wanted);
        capacity_ = wanted;
    }
    if (end_ == capacity_) {
        std::memmove(input_.get(), input_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return {input_.get() + end_, capacity_ - end_};
}

void ServerSession::on_bytes(std::size_t count) {
    settle(Awaiting::bytes);
    filled_ = count == capacity_ - end_;
    end_ += count;
    if (stage_ != Stage::message) return;
    since_fresh_ += count;
    if (since_fresh_ >= kBlock) waiting_ = false;
}

void ServerSession::on_written() {
    settle(Awaiting::written);
    if (out_.capacity() > 4 * kMaxOutput) {
        out_ = {};
    } else {
        out_.clear();
    }
}

// RFC 9051 §6.2.1: what came in the clear is forgotten.
void ServerSession::on_tls(sasl::Channel channel) {
    settle(Awaiting::tls);
    begin_ = end_ = 0;
    waiting_ = false;
    reader_.reset();
    offer_.tls = std::move(channel);
    stage_ = options_.implicit_tls ? Stage::greeting : Stage::command;
}

// RFC 4978 §3: a client says nothing between its command and our answer; if it did, it was not compressed.
void ServerSession::on_compressed() {
    settle(Awaiting::compress);
    compressed_ = true;
    begin_ = end_ = 0;
    reader_.reset();
    stage_ = Stage::command;
}

void ServerSession::on_done(Reply reply) {
    settle(Awaiting::done);
    const bool ok = reply.status == Reply::Status::ok;
    if (std::holds_alternative<Select>(command_.what)) {
        // RFC 9051 §6.3.2: one that fails leaves no mailbox selected; a BAD changes nothing.
        if (reply.status != Reply::Status::bad) state_ = ok ? State::selected : State::authenticated;
    } else if (ok &&
               (std::holds_alternative<Close>(command_.what) || std::holds_alternative<Unselect>(command_.what))) {
        state_ = State::authenticated;
    }
    finish(reply);
}

void ServerSession::on_append(std::optional<Reply> refusal) {
    if (awaiting_ == Awaiting::append) {
        settle(Awaiting::append);
        events_.pop_front();
    } else {
        settle(Awaiting::piece);
    }
    if (refusal) refuse(std::move(*refusal));
}

// The command is over, well or not; the next one may come.
void ServerSession::finish(const Reply& reply) {
    tagged(tag_, reply);
    append_.reset();
    events_.clear();
    refusal_.reset();
    reader_.reset();
    waiting_ = false;
    if (stage_ != Stage::closing && stage_ != Stage::tls) stage_ = Stage::command;
    if (reply.status != Reply::Status::bad) {
        errors_ = 0;
    } else if (++errors_ >= options_.max_errors) {
        bye("Too many errors", "too many errors");
    }
    if (dismissal_ && stage_ != Stage::closing) bye(dismissal_->first, dismissal_->second);
}

void ServerSession::tagged(std::string_view tag, const Reply& reply) {
    out_ += tag.empty() ? "*" : tag;
    switch (reply.status) {
        case Reply::Status::ok: out_ += " OK "; break;
        case Reply::Status::no: out_ += " NO "; break;
        case Reply::Status::bad: out_ += " BAD "; break;
    }
    if (!reply.code.empty()) out_ += '[' + reply.code + "] ";
    put_text(out_, reply.text);
    out_ += "\r\n";
}

void ServerSession::bye(std::string_view text, std::string_view why) {
    out_ += "* BYE ";
    out_ += text;
    out_ += "\r\n";
    end(why);
}

void ServerSession::end(std::string_view why) {
    if (ending_.empty()) ending_ = why;
    stage_ = Stage::closing;
    state_ = State::logout;
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
    return (stage_ == Stage::command || stage_ == Stage::idle) && begin_ == end_ && reader_.idle();
}

std::string ServerSession::interrupt(Interruption why) {
    settle(Awaiting::bytes);
    struct Words {
        std::string_view bye;
        std::string_view ending;
    };
    const auto words = why == Interruption::timeout ? Words{"Waited for too long", "timed out"}
                       : why == Interruption::replaced
                           ? Words{"The mailbox was put back from a copy", "mailbox replaced"}
                           : Words{"The server goes down", "server down"};
    std::string text;
    if (stage_ != Stage::message) text = "* BYE " + std::string(words.bye) + "\r\n";
    end(words.ending);
    return text;
}

}  // namespace posthorn::imap
