// AUTH (RFC 4954): the framing around an exchange of proto/sasl. Secrets are wiped from the input once they are read;
// no notice, reply or log line has them.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/base64.hpp"
#include "proto/smtp/server_session.hpp"

namespace posthorn::smtp {
namespace {

constexpr std::string_view kBadSequence = "5.5.1";
constexpr std::string_view kStage = "AUTH";
const ServerReply kMalformed{501, "5.5.2", "That is not what this mechanism says"};

ServerReply denial_of(sasl::LoginVerdict verdict) {
    using Verdict = sasl::LoginVerdict;
    switch (verdict) {
        case Verdict::disabled: return {535, "5.7.13", "This account is disabled"};
        case Verdict::throttled: return {454, "4.7.0", "Too many failed logins, try again later"};
        case Verdict::unavailable: return {454, "4.7.0", "Logins cannot be checked now, try again later"};
        default: return {535, "5.7.8", "Authentication credentials invalid"};
    }
}

}  // namespace

std::optional<ServerAction> ServerSession::auth(std::string_view argument) {
    const auto no = [this](int code, std::string_view status, std::string_view text) {
        refuse(kStage, code, status, text);
        return std::nullopt;
    };
    if (offer_.mechanisms.empty()) return no(502, kBadSequence, "AUTH is not offered here");
    if (!greeted_ || !peer_.esmtp) return no(503, kBadSequence, lmtp() ? "Say LHLO first" : "Say EHLO first");
    if (!peer_.auth_user.empty()) return no(503, kBadSequence, "You are logged in already");
    if (transaction_) return no(503, kBadSequence, "A message is under way");
    auto parsed = parse_auth(argument);
    if (!parsed) return no(parsed.error().code, parsed.error().status, parsed.error().text);
    const auto mechanism = sasl::parse_mechanism(parsed->mechanism);
    if (!mechanism || !offer_.has(*mechanism)) {
        return no(504, "5.5.4", "That mechanism is not offered");
    }
    if (!offer_.allows(*mechanism)) {
        if (sasl::in_the_clear(*mechanism))
            return no(538, "5.7.11", "This mechanism needs TLS; say STARTTLS first");
        return no(504, "5.5.4", "That mechanism cannot be used here");
    }
    auth_mechanism_ = *mechanism;
    auto step = exchange_.begin(offer_, *mechanism, std::move(parsed->initial));
    wipe_input(argument);
    return auth_step(std::move(step));
}

// What the mechanism wants next: to say something, to have something looked up, or to end.
std::optional<ServerAction> ServerSession::auth_step(sasl::Step step) {
    waiting_ = false;
    flush_ = true;
    if (const auto* challenge = std::get_if<sasl::Challenge>(&step)) {
        // Not by append_reply(), whose lines are short: a client takes up to kMaxAuthLine here.
        ((out_ += "334 ") += base::base64_encode(challenge->bytes)) += "\r\n";
        stage_ = Stage::auth;
        return std::nullopt;
    }
    if (std::holds_alternative<sasl::Done>(step)) {
        exchange_.end();
        stage_ = Stage::command;
        peer_.auth_user = std::move(auth_candidate_);
        auth_failures_ = 0;
        say(235, "2.7.0", "Authentication succeeded");
        return std::nullopt;
    }
    if (const auto* failed = std::get_if<sasl::Failed>(&step)) {
        const auto why = exchange_.refusal(*failed);
        auth_failed(why ? denial_of(*why) : kMalformed);
        return std::nullopt;
    }
    auth_need_ = std::move(step);
    return ask({.kind = ServerAction::Kind::authenticate}, Awaiting::auth);
}

void ServerSession::on_login(sasl::LoginVerdict verdict, std::string user) {
    settle(Awaiting::auth);
    if (verdict == sasl::LoginVerdict::ok) auth_candidate_ = std::move(user);
    if (auto step = exchange_.judge(verdict)) return auth_next(*std::move(step));
    // What could not be looked up is no failure of the client's.
    if (verdict == sasl::LoginVerdict::unavailable) return auth_over(denial_of(verdict));
    auth_failed(denial_of(verdict));
}

void ServerSession::on_secret(sasl::ScramSecret secret) {
    settle(Awaiting::auth);
    auth_next(exchange_.secret(std::move(secret)));
}

void ServerSession::auth_next(sasl::Step step) {
    auth_need_ = sasl::Done{};
    if (auth_step(std::move(step))) throw std::logic_error("smtp session: a SASL mechanism asks twice");
}

// The client's line, CRLF at its end like any other.
std::optional<ServerAction> ServerSession::step_auth() {
    const auto text = unread();
    const auto lf = text.find('\n', searched_);
    if (lf == std::string_view::npos) {
        searched_ = text.size();
        if (line_overflow_ || text.size() >= kMaxAuthLine) {
            line_overflow_ = true;
            wipe_input(text);
            consume(text.size());
            searched_ = 0;
        }
        if (!out_.empty()) return write();
        return read(ServerTimeout::command);
    }
    searched_ = 0;
    consume(lf + 1);
    auto line = text.substr(0, lf);
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::optional<ServerAction> action;
    if (std::exchange(line_overflow_, false) || lf + 1 > kMaxAuthLine) {
        auth_over({500, "5.5.6", "Authentication line too long"});  // RFC 4954 §6
    } else {
        action = auth_response(line);
    }
    wipe_input(text.substr(0, lf));
    return action;
}

std::optional<ServerAction> ServerSession::auth_response(std::string_view line) {
    if (line == "*") {
        auth_over({501, "5.7.0", "Authentication cancelled"});
        return std::nullopt;
    }
    auto step = exchange_.respond(line);
    if (!step) {
        auth_over({501, "5.5.2", "That is not Base64"});
        return std::nullopt;
    }
    return auth_step(*std::move(step));
}

void ServerSession::auth_over(const ServerReply& reply) {
    exchange_.end();
    auth_candidate_.clear();
    auth_need_ = sasl::Done{};
    stage_ = Stage::command;
    waiting_ = false;
    flush_ = true;
    refuse(kStage, reply);
}

void ServerSession::auth_failed(const ServerReply& reply) {
    auth_over(reply);
    if (stage_ == Stage::closing || ++auth_failures_ < options_.max_auth_failures) return;
    say(421, "4.7.0", "Too many failed logins");
    notices_.push_back(
        {.stage = std::string(kStage), .code = 421, .status = "4.7.0", .text = "Too many failed logins"});
    end("too many failed logins");
}

// A line that begins so may be longer than others.
bool ServerSession::auth_line_begun() const {
    return stage_ == Stage::command && !offer_.mechanisms.empty() &&
           parse_command(unread().substr(0, 64)).verb == Verb::auth;
}

// `text` lies in input_.
void ServerSession::wipe_input(std::string_view text) {
    if (!text.empty()) ::explicit_bzero(input_.get() + (text.data() - input_.get()), text.size());
}

}  // namespace posthorn::smtp
