// Between the session machine and the stream: performs each action and reports what came of it.
#include <utility>

#include "delivery/message_source.hpp"
#include "delivery/smtp_client.hpp"
#include "proto/smtp/client_session.hpp"

namespace posthorn::delivery {
namespace {

using smtp::ClientAction;
using smtp::ClientTimeout;

// For what a server that closed the connection in our face had said before.
constexpr base::Duration kLastWords = std::chrono::seconds(1);
constexpr int kLastReads = 8;

}  // namespace

base::SteadyTime Connection::deadline(ClientTimeout timeout) const {
    const auto& t = context_.timeouts;
    const auto span = [&] {
        switch (timeout) {
            case ClientTimeout::connect: return t.connect;
            case ClientTimeout::ehlo: return t.ehlo;
            case ClientTimeout::starttls: return t.starttls;
            case ClientTimeout::mail_from: return t.mail_from;
            case ClientTimeout::rcpt_to: return t.rcpt_to;
            case ClientTimeout::data: return t.data;
            case ClientTimeout::data_end: return t.data_end;
            case ClientTimeout::quit: break;
        }
        return t.quit;
    };
    return loop_.now() + span();
}

net::Task<bool> Connection::run(MessageSource* source) {
    while (true) {
        const auto action = at_work([&] { return session_->next(); });
        switch (action.type) {
            case ClientAction::Type::read: co_await read(action.timeout); break;
            case ClientAction::Type::write: {
                std::vector<std::string_view> pieces;
                pieces.push_back(action.bytes);
                co_await write(std::move(pieces), action.timeout);
                break;
            }
            case ClientAction::Type::start_tls: co_await start_tls(); break;
            case ClientAction::Type::body: co_await send_piece(source, action.max); break;
            case ClientAction::Type::ready: co_return true;
            case ClientAction::Type::close:
                co_await stream_->shutdown(deadline(ClientTimeout::quit));
                co_return false;
        }
    }
}

// The time is for a whole reply: octets now and then do not begin it anew.
net::Task<> Connection::read(ClientTimeout timeout) {
    if (!session_->within_reply()) reply_until_ = deadline(timeout);
    const net::IoResult got = co_await stream_->read_some(std::span<char>(buffer_), reply_until_);
    if (got.ok()) {
        at_work([&] { session_->on_bytes(std::string_view(buffer_.data(), got.size)); });
    } else if (got.status == net::IoStatus::eof) {
        session_->on_eof();
    } else {
        session_->on_failure(got.status == net::IoStatus::timed_out, got.text);
    }
}

net::Task<> Connection::write(std::vector<std::string_view> pieces, ClientTimeout timeout) {
    const auto until = deadline(timeout);
    net::IoResult done = co_await stream_->write(std::move(pieces), until);
    if (!done.ok()) co_await last_words(std::move(done));
}

// A server that refuses and closes makes our next write fail; its reply may still be there to be read.
net::Task<> Connection::last_words(net::IoResult failed) {
    const auto until = loop_.now() + kLastWords;
    for (int i = 0; i < kLastReads && failed.status == net::IoStatus::error; ++i) {
        const net::IoResult got = co_await stream_->read_some(std::span<char>(buffer_), until);
        if (!got.ok()) break;
        at_work([&] { session_->on_bytes(std::string_view(buffer_.data(), got.size)); });
    }
    session_->on_failure(failed.status == net::IoStatus::timed_out, failed.text);
}

net::Task<bool> Connection::start_tls() {
    const bool checked = target_.tls == smtp::TlsPolicy::verify && !target_.accept_invalid_certs;
    auto context = checked ? context_.tls_checked : context_.tls_any;
    const auto until = deadline(ClientTimeout::starttls);
    auto name = target_.host;
    auto secured = co_await stream_->start_tls(std::move(context), std::move(name), until);
    if (!secured) {
        session_->on_tls_failed(secured.error().log_text);
        failure_ = session_->failure();
        co_return false;
    }
    tls_ = secured->version + ' ' + secured->cipher;
    if (target_.tls == smtp::TlsPolicy::verify && target_.accept_invalid_certs) {
        warn("SECURITY WARNING: the certificate of " + target_.host + " is not checked: accept_invalid_certs");
    }
    if (!target_.implicit_tls) session_->on_tls(tls_);
    co_return true;
}

// The end of this message waits for the outcome of the last one, but not for ever: the server has its time-outs too.
net::Task<bool> Connection::may_end() {
    const auto until = loop_.now() + kRecordPatience;
    const bool passed = co_await gate_->pass(until);
    if (passed) co_return true;
    withheld_ = true;
    session_->body_failed("The outcome of an earlier message could not be recorded");
    co_return false;
}

// As much as goes into one write: the trace headers and the first of the body share it, and so does the end.
net::Task<> Connection::send_piece(MessageSource* source, std::uint64_t max) {
    const bool may_be_last = source->left() <= 2 * kPiece;
    if (may_be_last && gate_ && !gate_->open()) {
        const bool passed = co_await may_end();
        if (!passed) co_return;
    }
    // A server that will not read on says so in the middle of the message.
    if (stream_->readable_now()) {
        co_await read(ClientTimeout::data);
        co_return;
    }
    std::vector<std::string_view> pieces;
    std::uint64_t left = max;
    for (int i = 0; i < 2; ++i) {
        const bool trace = source->in_trace();
        const base::Result<std::string_view> raw = co_await source->next(left);
        if (!raw) {
            session_->body_failed("The message could not be read from our spool: " + raw.error().log_text);
            co_return;
        }
        left -= raw->size();
        const auto more = at_work([&] { return session_->body(*raw); });
        pieces.insert(pieces.end(), more.begin(), more.end());
        if (!trace || left == 0) break;
    }
    co_await write(std::move(pieces), ClientTimeout::data);
}

}  // namespace posthorn::delivery
