#include "proto/smtp/server_session.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/utf8.hpp"

namespace posthorn::smtp {
namespace {

// Octets of body that buy a new data_block wait: a client slower than this in three minutes is not sending.
constexpr std::size_t kBlock = 1024;

bool is_clean(std::string_view line) {
    for (const char c : line) {
        const auto octet = static_cast<unsigned char>(c);
        if ((octet < ' ' && octet != '\t') || octet == 0x7f) return false;
    }
    return base::valid_utf8(line);
}

}  // namespace

ServerSession::ServerSession(ServerOptions options, ServerPeer peer)
    : options_(std::move(options)),
      offer_{.mechanisms = std::move(options_.mechanisms),
             .clear = options_.clear_auth,
             .token_scope = std::move(options_.token_scope)},
      peer_(std::move(peer)),
      stage_(options_.proxy_header   ? Stage::proxy
             : options_.implicit_tls ? Stage::tls
                                     : Stage::client) {
    options_.max_command_line = std::min(options_.max_command_line, kSmallInput / 2);
}

ServerAction ServerSession::next() {
    if (awaiting_ != Awaiting::none) throw std::logic_error("smtp session: next() before the last action's answer");
    while (true) {
        if (std::exchange(discard_due_, false))
            return ask({.kind = ServerAction::Kind::discard}, Awaiting::discarded);
        say_pending();
        if (!out_.empty() && (flush_ || out_.size() >= kMaxOutput || stage_ == Stage::closing)) return write();
        if (stage_ == Stage::closing) return {.kind = ServerAction::Kind::close};
        if (auto action = step()) return *action;
    }
}

std::optional<ServerAction> ServerSession::step() {
    switch (stage_) {
        case Stage::proxy: return step_proxy();
        case Stage::tls:
            if (!out_.empty()) return write();
            return ask({.kind = ServerAction::Kind::start_tls}, Awaiting::tls);
        case Stage::client:
            return ask({.kind = ServerAction::Kind::check, .subject = Subject::client}, Awaiting::client);
        case Stage::command: return step_command();
        case Stage::auth: return step_auth();
        case Stage::data:
        case Stage::chunk: return step_body();
        case Stage::skip_chunk: return step_skip();
        case Stage::closing: break;
    }
    return std::nullopt;
}

ServerAction ServerSession::ask(ServerAction action, Awaiting awaiting) {
    awaiting_ = awaiting;
    return action;
}

ServerAction ServerSession::read(ServerTimeout timeout) {
    const bool fresh = !std::exchange(waiting_, true);
    if (fresh) since_fresh_ = 0;
    return ask({.kind = ServerAction::Kind::read, .timeout = timeout, .fresh = fresh}, Awaiting::bytes);
}

ServerAction ServerSession::write() {
    const auto timeout = answers_message_ ? ServerTimeout::data_termination : ServerTimeout::command;
    return ask({.kind = ServerAction::Kind::write, .timeout = timeout, .bytes = out_}, Awaiting::written);
}

void ServerSession::settle(Awaiting expected) {
    if (awaiting_ != expected) throw std::logic_error("smtp session: answer to another action than the last");
    awaiting_ = Awaiting::none;
}

// A session that waits for a command costs little; only a body that comes faster than it is read gets more room.
std::span<char> ServerSession::input_space() {
    if (begin_ == end_) begin_ = end_ = 0;
    const bool long_auth = end_ - begin_ >= kSmallInput / 2 && (stage_ == Stage::auth || auth_line_begun());
    const auto wanted = (in_body() && filled_) || long_auth ? kLargeInput : kSmallInput;
    if (capacity_ < wanted || (capacity_ > wanted && !in_body() && end_ == 0)) {
        auto other = std::make_unique_for_overwrite<char[]>(wanted);
        if (end_ != begin_) std::memcpy(other.get(), input_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        input_ = std::move(other);
        capacity_ = wanted;
    } else if (begin_ != 0 && capacity_ - end_ < kSmallInput / 2) {
        std::memmove(input_.get(), input_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    std::size_t space = capacity_ - end_;
    if (stage_ == Stage::proxy) space = std::min(space, parse_proxy_header(unread()).more);
    return {input_.get() + end_, space};
}

void ServerSession::on_bytes(std::size_t count) {
    settle(Awaiting::bytes);
    end_ += count;
    since_fresh_ += count;
    filled_ = end_ == capacity_;
    if (!in_body()) return;
    // RFC 5321 §4.5.3.2.5: with its first octets the message has begun, and the limit is that of a block.
    const bool begun = std::exchange(first_block_, false);
    if (begun || since_fresh_ >= kBlock) waiting_ = false;
}

void ServerSession::on_written() {
    settle(Awaiting::written);
    out_.clear();
    flush_ = answers_message_ = false;
}

void ServerSession::on_discarded() { settle(Awaiting::discarded); }

void ServerSession::on_verdict(Verdict verdict) {
    switch (std::exchange(awaiting_, Awaiting::none)) {
        case Awaiting::client: return on_client(std::move(verdict));
        case Awaiting::sender: return on_sender(std::move(verdict));
        case Awaiting::recipient: return on_recipient(std::move(verdict));
        case Awaiting::open: return on_opened(std::move(verdict));
        case Awaiting::body: return on_body(std::move(verdict));
        case Awaiting::commit: return on_committed(std::move(verdict));
        default: throw std::logic_error("smtp session: a verdict nobody asked for");
    }
}

void ServerSession::on_tls(std::string version, std::string cipher, sasl::Channel channel) {
    settle(Awaiting::tls);
    peer_.tls_version = std::move(version);
    peer_.tls_cipher = std::move(cipher);
    offer_.tls = std::move(channel);
    // RFC 3207 §4.2: what was said before in the clear is forgotten.
    drop_transaction();
    greeted_ = false;
    peer_.helo.clear();
    peer_.esmtp = false;
    if (!peer_.may_xclient) peer_.auth_user.clear();
    stage_ = welcomed_ ? Stage::command : Stage::client;
    waiting_ = false;
}

void ServerSession::on_eof() { abort("client left"); }
void ServerSession::on_timeout() { abort("timed out"); }
void ServerSession::on_broken() { abort("connection lost"); }

void ServerSession::shut_down() { stopping_ = true; }

bool ServerSession::idle() const {
    return awaiting_ == Awaiting::bytes && (stage_ == Stage::command || stage_ == Stage::auth) && !transaction_ &&
           begin_ == end_ && !line_overflow_;
}

std::string ServerSession::interrupt(Interruption why) {
    settle(Awaiting::bytes);
    std::string bytes;
    const bool timeout = why == Interruption::timeout;
    if (stage_ != Stage::proxy) {
        if (timeout) {
            append_reply(bytes, 421, "4.4.2", options_.hostname + " has waited too long");
        } else {
            append_reply(bytes, 421, "4.3.2", options_.hostname + " is going down, try again later");
        }
    }
    abort(timeout ? "timed out" : "server going down");
    return bytes;
}

// Nothing more is said to the peer.
void ServerSession::abort(std::string_view why) {
    awaiting_ = Awaiting::none;
    out_.clear();
    pending_.clear();
    end(why);
}

void ServerSession::end(std::string_view why) {
    if (ending_.empty()) ending_ = why;
    drop_transaction();
    stage_ = Stage::closing;
}

void ServerSession::drop_transaction() {
    transaction_.reset();
    decoder_.reset();
    body_reply_.reset();
    discard_due_ |= std::exchange(body_open_, false);
    chunks_begun_ = chunks_failed_ = rcpt_refused_ = rcpt_overflow_ = false;
}

void ServerSession::say(int code, std::string_view status, std::string_view text) {
    append_reply(out_, code, status, text);
}

void ServerSession::refuse(std::string_view stage, const ServerReply& reply) {
    refuse(stage, reply.code, reply.status, reply.text);
}

void ServerSession::refuse(std::string_view stage, int code, std::string_view status, std::string_view text) {
    say(code, status, text);
    notices_.push_back({.stage = std::string(stage),
                        .code = code,
                        .status = std::string(status),
                        .text = std::string(text),
                        .recipient = stage == "RCPT" ? candidate_.address.to_string() : std::string{}});
    if (code == 421) return end("refused");
    if (code < 500 || ++errors_ <= options_.max_errors) return;
    say(421, "4.7.0", "Too many errors");
    notices_.push_back({.stage = std::string(stage), .code = 421, .status = "4.7.0", .text = "Too many errors"});
    end("too many errors");
}

std::optional<ServerAction> ServerSession::step_proxy() {
    auto parse = parse_proxy_header(unread());
    if (parse.status == ProxyParse::Status::more) return read(ServerTimeout::command);
    if (parse.status == ProxyParse::Status::bad) {
        notices_.push_back({.kind = Notice::Kind::security, .stage = "PROXY", .text = "no valid PROXY header"});
        abort("no valid PROXY header");
        return std::nullopt;
    }
    consume(end_ - begin_);
    if (parse.header.source) {
        peer_.ip = std::move(parse.header.source->ip);
        peer_.port = parse.header.source->port;
    }
    waiting_ = false;
    stage_ = options_.implicit_tls ? Stage::tls : Stage::client;
    return std::nullopt;
}

// RFC 5321 §3.1, and after XCLIENT.
void ServerSession::on_client(Verdict verdict) {
    if (!verdict.accept) {
        refuse("CONNECT", verdict.reply);
        return end("refused");
    }
    if (stopping_) {
        say(421, "4.3.2", options_.hostname + " is going down, try again later");
        return end("server going down");
    }
    say(220, "", options_.hostname + (lmtp() ? " LMTP Posthorn" : " ESMTP Posthorn"));
    flush_ = true;
    welcomed_ = true;
    waiting_ = false;
    stage_ = Stage::command;
}

std::optional<ServerAction> ServerSession::step_command() {
    if (stopping_ && !transaction_) {
        say(421, "4.3.2", options_.hostname + " is going down, try again later");
        end("server going down");
        return std::nullopt;
    }
    if (const auto line = take_line()) {
        waiting_ = false;
        return obey(parse_command(*line));
    }
    if (stage_ == Stage::closing) return std::nullopt;
    if (!out_.empty()) return write();
    return read(ServerTimeout::command);
}

// The next line without its CRLF; bad ones are answered here. Nothing: more octets are needed, or the session ends.
std::optional<std::string_view> ServerSession::take_line() {
    while (stage_ == Stage::command) {
        const auto text = unread();
        const auto lf = text.find('\n', searched_);
        const auto longest = auth_line_begun() ? kMaxAuthLine : options_.max_command_line;
        if (lf == std::string_view::npos) {
            searched_ = text.size();
            if (line_overflow_ || text.size() >= longest) {
                if (!std::exchange(line_overflow_, true)) chunk_overflow_ = parse_command(text).verb == Verb::bdat;
                consume(text.size());
                searched_ = 0;
            }
            return std::nullopt;
        }
        searched_ = 0;
        consume(lf + 1);
        auto line = text.substr(0, lf);
        const bool crlf = line.ends_with('\r');
        if (crlf) line.remove_suffix(1);
        const bool overflow = std::exchange(line_overflow_, false);
        if (overflow || lf + 1 > longest) {
            refuse("?", 500, "5.5.2", "Line too long");  // RFC 5321 §4.5.3.1.10
        } else if (!is_clean(line)) {
            refuse("?", 500, "5.5.2", "Command with control characters or broken UTF-8");
        } else if (!crlf && options_.bare_newline == BareNewline::reject) {
            refuse("?", 500, "5.5.2", "Lines end with CRLF");  // RFC 5321 §2.3.8
        } else {
            return line;
        }
        waiting_ = false;
        flush_ = true;
        // The octets of its chunk are behind it, and must not be taken for commands.
        if (overflow ? chunk_overflow_ : parse_command(line).verb == Verb::bdat) end("malformed BDAT");
    }
    return std::nullopt;
}

}  // namespace posthorn::smtp
