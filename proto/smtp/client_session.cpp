// The session but for its transactions: greeting, EHLO, STARTTLS, AUTH, the end. See client_transaction.cpp.
#include "proto/smtp/client_session.hpp"

#include <utility>

#include "base/base64.hpp"
#include "base/utf8.hpp"
#include "proto/smtp/client_outcome.hpp"

namespace posthorn::smtp {

ClientSession::ClientSession(ClientOptions options) : options_(std::move(options)), tls_(options_.tls_active) {
    expected_.push_back({Asked::greeting, 0});
}

ClientTimeout ClientSession::timeout_of(Asked asked) {
    switch (asked) {
        case Asked::greeting: return ClientTimeout::connect;
        case Asked::ehlo:
        case Asked::helo:
        case Asked::auth: return ClientTimeout::ehlo;
        case Asked::starttls: return ClientTimeout::starttls;
        case Asked::rset:
        case Asked::mail: return ClientTimeout::mail_from;
        case Asked::rcpt: return ClientTimeout::rcpt_to;
        case Asked::data:
        case Asked::chunk: return ClientTimeout::data;
        case Asked::last:
        case Asked::empty: return ClientTimeout::data_end;
        case Asked::quit: break;
    }
    return ClientTimeout::quit;
}

std::string_view ClientSession::name_of(Asked asked) {
    switch (asked) {
        case Asked::greeting: return "the greeting";
        case Asked::ehlo: return "the answer to EHLO";
        case Asked::helo: return "the answer to HELO";
        case Asked::starttls: return "the answer to STARTTLS";
        case Asked::auth: return "the answer to AUTH";
        case Asked::rset: return "the answer to RSET";
        case Asked::mail: return "the answer to MAIL";
        case Asked::rcpt: return "the answer to RCPT";
        case Asked::data: return "the answer to DATA";
        case Asked::chunk: return "the answer to BDAT";
        case Asked::last:
        case Asked::empty: return "the answer to the end of the message";
        case Asked::quit: break;
    }
    return "the answer to QUIT";
}

ClientAction ClientSession::next() {
    if (phase_ == Phase::closed) return {ClientAction::Type::close, ClientTimeout::quit, {}, 0};
    if (phase_ == Phase::transaction) fill_window();
    const auto timeout = expected_.empty() ? ClientTimeout::quit : timeout_of(expected_.front().asked);
    if (!out_.empty()) {
        writing_ = std::exchange(out_, {});
        return {ClientAction::Type::write, timeout, writing_, 0};
    }
    if (leaving_) {
        phase_ = Phase::closed;
        return {ClientAction::Type::close, ClientTimeout::quit, {}, 0};
    }
    switch (phase_) {
        case Phase::handshake: return {ClientAction::Type::start_tls, ClientTimeout::starttls, {}, 0};
        case Phase::ready: return {ClientAction::Type::ready, ClientTimeout::quit, {}, 0};
        case Phase::body: return {ClientAction::Type::body, ClientTimeout::data, {}, body_max()};
        default: return {ClientAction::Type::read, timeout, {}, 0};
    }
}

void ClientSession::say(std::string line, Asked asked, std::size_t recipient) {
    dialogue_.client(line);
    say_redacted(std::move(line), asked, recipient);
}

void ClientSession::say_redacted(std::string line, Asked asked, std::size_t recipient) {
    (out_ += line) += "\r\n";
    expected_.push_back({asked, recipient});
}

void ClientSession::on_bytes(std::string_view bytes) {
    if (phase_ == Phase::closed || leaving_) return;
    parser_.add(bytes);
    while (phase_ != Phase::closed && !leaving_) {
        const auto reply = parser_.next();
        if (!reply) break;
        on_reply(*reply);
    }
    if (phase_ == Phase::closed || leaving_) return;
    if (parser_.broken()) return violation(parser_.trouble());
    // RFC 3207 §4.2: what came in the clear behind the 220 may be somebody else's.
    if (phase_ == Phase::handshake && parser_.buffered()) violation("data behind the answer to STARTTLS");
}

void ClientSession::on_reply(const RemoteReply& reply) {
    for (std::size_t i = 0; i < reply.lines.size(); ++i) {
        const char separator = i + 1 < reply.lines.size() ? '-' : ' ';
        dialogue_.server(std::to_string(reply.code) + separator + reply.lines[i]);
    }
    if (expected_.empty()) return unasked(reply);
    const auto expected = expected_.front();
    expected_.pop_front();
    // RFC 5321 §3.8: 421 answers anything, and is the last that is said.
    if (reply.code == 421 && expected.asked != Asked::quit) {
        if (!in_transaction()) return refuse_session(outcome_of(reply), false);
        settle_open(outcome_of(reply), FailureScope::session);
        return leave(false);
    }
    answer(expected, reply);
    end_if_complete();
}

void ClientSession::unasked(const RemoteReply& reply) {
    if (phase_ == Phase::ready) {
        spent_ = true;  // what is said next could not be told from an answer
        return;
    }
    // A server that will not read to the end says so in the middle, whatever the RFC has to say about it.
    if (phase_ == Phase::body && (reply.temporary() || reply.permanent())) {
        settle_open(outcome_of(reply), reply.code == 421 ? FailureScope::session : FailureScope::message);
        return leave(false);
    }
    violation("a reply to nothing: " + std::to_string(reply.code));
}

void ClientSession::answer(const Expected& expected, const RemoteReply& reply) {
    // RFC 5321 §4.2.1: 3yz asks for more, which only AUTH, DATA and nothing else has to give.
    if (reply.code / 100 == 3 && expected.asked != Asked::data && expected.asked != Asked::auth) {
        return violation(std::to_string(reply.code) + " as " + std::string(name_of(expected.asked)));
    }
    switch (expected.asked) {
        case Asked::greeting: return on_greeting(reply);
        case Asked::ehlo:
        case Asked::helo: return on_hello(expected.asked, reply);
        case Asked::starttls: return on_starttls(reply);
        case Asked::auth: return on_auth(reply);
        case Asked::rset:
            if (!reply.positive()) return violation("RSET refused: " + std::to_string(reply.code));
            dirty_ = false;
            if (phase_ == Phase::reset) phase_ = Phase::ready;
            return;
        case Asked::mail: return on_mail(reply);
        case Asked::rcpt: return on_rcpt(expected.recipient, reply);
        case Asked::data: return on_data(reply);
        case Asked::chunk: return on_chunk(reply);
        case Asked::last: return on_last(expected.recipient, reply);
        case Asked::empty: dirty_ = false; return;
        case Asked::quit: return leave(false);
    }
}

void ClientSession::on_greeting(const RemoteReply& reply) {
    if (!reply.positive()) return refuse_session(outcome_of(reply), true);
    hello(true);
}

void ClientSession::hello(bool extended) {
    phase_ = Phase::hello;
    const std::string_view verb = options_.lmtp ? "LHLO " : extended ? "EHLO " : "HELO ";
    say(std::string(verb) += options_.hostname, extended ? Asked::ehlo : Asked::helo);
}

void ClientSession::on_hello(Asked asked, const RemoteReply& reply) {
    if (reply.positive()) {
        server_ = asked == Asked::ehlo ? parse_capabilities(reply) : Capabilities{};
        return secure();
    }
    // RFC 5321 §3.2: a server from before EHLO.
    if (asked == Asked::ehlo && reply.permanent() && !options_.lmtp) return hello(false);
    refuse_session(outcome_of(reply), true);
}

void ClientSession::secure() {
    if (tls_ || options_.tls == TlsPolicy::none) return authenticate();
    if (server_.starttls) {
        phase_ = Phase::starttls;
        return say("STARTTLS", Asked::starttls);
    }
    if (options_.tls == TlsPolicy::may) return authenticate();
    refuse_session(temporary_outcome("4.7.4", "TLS is required here, and the server does not offer it"), true);
}

void ClientSession::on_starttls(const RemoteReply& reply) {
    if (reply.positive()) {
        phase_ = Phase::handshake;
        return;
    }
    if (options_.tls == TlsPolicy::may) return authenticate();
    auto outcome = temporary_outcome("4.7.4", "TLS is required here, and the server refused it: " + reply.text());
    outcome.code = reply.code;
    refuse_session(std::move(outcome), true);
}

void ClientSession::on_tls(std::string_view what) {
    dialogue_.note(what);
    tls_ = true;
    parser_.clear();
    server_ = {};  // RFC 3207 §4.2: what was learnt in the clear counts for nothing
    hello(true);
}

void ClientSession::on_tls_failed(std::string_view text) {
    plaintext_may_do_ = options_.tls == TlsPolicy::may;
    refuse_session(temporary_outcome("4.7.5", "TLS hand-shake failed: " + base::printable(text, kMaxReplyText)),
                   false);
}

void ClientSession::authenticate() {
    if (!options_.credentials) {
        phase_ = Phase::ready;
        return;
    }
    const auto& credentials = *options_.credentials;
    // Our own configuration is at fault, or the server is for now: the mail can wait.
    if (!tls_ && !credentials.plaintext) {
        return refuse_session(temporary_outcome("4.7.11", "Will not authenticate without TLS"), true);
    }
    if (!server_.auth_plain && !server_.auth_login) {
        return refuse_session(temporary_outcome("4.7.0", "The server offers neither AUTH PLAIN nor LOGIN"), true);
    }
    phase_ = Phase::auth;
    if (server_.auth_plain) {
        dialogue_.client("AUTH PLAIN ***");
        using namespace std::string_literals;
        auto message = "\0"s + credentials.user + "\0"s + credentials.password;  // RFC 4616 §2
        return say_redacted("AUTH PLAIN " + base::base64_encode(message), Asked::auth);
    }
    say("AUTH LOGIN", Asked::auth);
}

void ClientSession::on_auth(const RemoteReply& reply) {
    if (reply.positive()) {
        phase_ = Phase::ready;
        return;
    }
    if (reply.code == 334 && !server_.auth_plain && auth_step_ < 2) {
        const auto& answer = auth_step_++ == 0 ? options_.credentials->user : options_.credentials->password;
        dialogue_.client("***");
        return say_redacted(base::base64_encode(answer), Asked::auth);
    }
    if (reply.code / 100 == 3) return violation("AUTH wants more than there is");
    auto outcome = outcome_of(reply);
    outcome.kind = mail::Outcome::Kind::temporary;  // the operator can put it right
    outcome.status.front() = '4';
    refuse_session(std::move(outcome), true);
}

void ClientSession::reset() {
    phase_ = Phase::reset;
    say("RSET", Asked::rset);
}

void ClientSession::quit() {
    phase_ = Phase::quit;
    say("QUIT", Asked::quit);
}

void ClientSession::leave(bool politely) {
    spent_ = true;
    expected_.clear();
    out_ = politely ? "QUIT\r\n" : "";
    leaving_ = politely;
    phase_ = politely ? Phase::quit : Phase::closed;
}

void ClientSession::refuse_session(mail::Outcome outcome, bool politely) {
    failure_ = std::move(outcome);
    leave(politely);
}

void ClientSession::violation(std::string_view what) {
    dialogue_.note(what);
    auto outcome = temporary_outcome("4.5.0", "The server broke the protocol: " + std::string(what));
    if (in_transaction()) {
        settle_open(outcome, content_sent_ ? FailureScope::message : FailureScope::session);
    } else {
        failure_ = std::move(outcome);
    }
    leave(false);
}

void ClientSession::on_eof() {
    dialogue_.note("the server closed the connection");
    gone("The server closed the connection");
}

void ClientSession::on_failure(bool timed_out, std::string_view text) {
    const auto how = timed_out ? std::string("Time-out") : "Connection lost (" + base::printable(text, 200) + ')';
    dialogue_.note(how);
    gone(how);
}

void ClientSession::gone(std::string_view how) {
    if (phase_ == Phase::closed) return;
    auto text = std::string(how);
    if (phase_ == Phase::body) {
        text += " while the message was sent";
    } else if (!expected_.empty()) {
        (text += " before ") += name_of(expected_.front().asked);
    }
    if (content_sent_ && in_transaction()) text += "; it may arrive twice";
    auto outcome = temporary_outcome("4.4.2", std::move(text));
    if (in_transaction()) {
        // Tried at once elsewhere, a message that did arrive would come again for certain.
        settle_open(outcome, content_sent_ ? FailureScope::message : FailureScope::session);
    } else if (phase_ != Phase::ready && phase_ != Phase::quit) {
        // Servers are known that offer STARTTLS and then hang up, at once or (TLS 1.3) when they have seen our last
        // flight.
        const bool over_tls = phase_ == Phase::starttls || (phase_ == Phase::hello && tls_ && !options_.tls_active);
        plaintext_may_do_ = over_tls && options_.tls == TlsPolicy::may;
        failure_ = std::move(outcome);
    }
    leave(false);
}

}  // namespace posthorn::smtp
