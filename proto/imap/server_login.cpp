// LOGIN and AUTHENTICATE (RFC 9051 §6.2.2, §6.2.3, RFC 4959).
#include <algorithm>

#include "base/base64.hpp"
#include "proto/imap/limits.hpp"
#include "proto/imap/server_session.hpp"

namespace posthorn::imap {
namespace {

Reply denial_of(LoginVerdict verdict) {
    switch (verdict) {
        case LoginVerdict::disabled: return Reply::no("This account may not log in", "CONTACTADMIN");
        case LoginVerdict::throttled: return Reply::no("Too many failures, try again later", "UNAVAILABLE");
        case LoginVerdict::unavailable: return Reply::no("Cannot check this now, try again later", "UNAVAILABLE");
        default: return Reply::no("Wrong name or secret", "AUTHENTICATIONFAILED");
    }
}

}  // namespace

std::optional<ServerAction> ServerSession::login(Login command) {
    if (!offer_.passwords() || !options_.login_command) {
        sasl::wipe(command.password);
        finish(offer_.passwords() ? Reply::no("Use AUTHENTICATE")
                                  : Reply::no("Start TLS first", "PRIVACYREQUIRED"));
        return std::nullopt;
    }
    mechanism_ = "LOGIN";
    exchange_.end();
    reader_.wipe();
    if (command.user.empty() || command.user.size() > sasl::kMaxName ||
        command.password.size() > sasl::kMaxSecret) {
        sasl::wipe(command.password);
        login_failed(denial_of(LoginVerdict::wrong));
        return std::nullopt;
    }
    need_ = sasl::NeedPassword{std::move(command.user), std::move(command.password)};
    return ask({.kind = ServerAction::Kind::login, .timeout = ServerTimeout::login}, Awaiting::login);
}

std::optional<ServerAction> ServerSession::authenticate(Authenticate command) {
    const auto mechanism = sasl::parse_mechanism(command.mechanism);
    if (!mechanism || !offer_.allows(*mechanism)) {
        const bool clear = mechanism && sasl::in_the_clear(*mechanism) && !offer_.passwords();
        finish(clear ? Reply::no("Start TLS first", "PRIVACYREQUIRED") : Reply::no("There is no such mechanism"));
        return std::nullopt;
    }
    std::optional<std::string> initial;
    if (command.initial) {
        initial = base::base64_decode(*command.initial);
        if (!initial) {
            login_failed(Reply::bad("That is no Base64"));
            return std::nullopt;
        }
    }
    mechanism_ = sasl::name(*mechanism);
    reader_.wipe();
    reader_.reset();
    stage_ = Stage::exchange;
    return follow(exchange_.begin(offer_, *mechanism, std::move(initial)));
}

// A line that answers a challenge.
std::optional<ServerAction> ServerSession::respond(std::string_view line) {
    if (line == "*" || refusal_) {  // RFC 9051 §6.2.2
        login_failed(Reply::bad("Given up"));
        return std::nullopt;
    }
    auto step = line.size() > Limits::sasl_line ? std::nullopt : exchange_.respond(line);
    reader_.wipe();
    reader_.reset();
    if (!step) {
        login_failed(Reply::bad("That is no Base64"));
        return std::nullopt;
    }
    return follow(*std::move(step));
}

std::optional<ServerAction> ServerSession::follow(sasl::Step step) {
    if (const auto* challenge = std::get_if<sasl::Challenge>(&step)) {
        out_ += "+ " + base::base64_encode(challenge->bytes) + "\r\n";
        return std::nullopt;
    }
    if (std::holds_alternative<sasl::Done>(step)) {
        logged_in();
        return std::nullopt;
    }
    if (const auto* failed = std::get_if<sasl::Failed>(&step)) {
        const auto why = exchange_.refusal(*failed);
        login_failed(why ? denial_of(*why) : Reply::bad("That is not what the mechanism says"));
        return std::nullopt;
    }
    need_ = std::move(step);
    return ask({.kind = ServerAction::Kind::login, .timeout = ServerTimeout::login}, Awaiting::login);
}

void ServerSession::on_login(LoginVerdict verdict) {
    settle(Awaiting::login);
    need_ = sasl::Done{};
    if (!exchange_.active()) {
        verdict == LoginVerdict::ok ? logged_in() : login_failed(denial_of(verdict));
        return;
    }
    // What could not be checked is no refusal: the exchange just ends (RFC 5530 UNAVAILABLE).
    next_step_ = exchange_.judge(verdict);
    if (!next_step_) login_failed(denial_of(verdict));
}

void ServerSession::on_secret(sasl::ScramSecret secret) {
    settle(Awaiting::login);
    need_ = sasl::Done{};
    next_step_ = exchange_.secret(std::move(secret));
}

void ServerSession::logged_in() {
    exchange_.end();
    state_ = State::authenticated;
    volatile char* at = input_.get();
    for (std::size_t i = 0; i < begin_; ++i) at[i] = '\0';  // what it held of secrets
    finish(Reply::ok("Logged in", capabilities()));
}

void ServerSession::login_failed(Reply reply) {
    exchange_.end();
    next_step_.reset();
    reader_.wipe();
    finish(reply);
    if (++failed_logins_ >= options_.max_logins && stage_ != Stage::closing) {
        bye("Too many failures", "too many failed logins");
    }
}

}  // namespace posthorn::imap
