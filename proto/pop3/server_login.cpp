// AUTHORIZATION: who it is.
#include <algorithm>

#include "base/base64.hpp"
#include "base/utf8.hpp"
#include "proto/pop3/server_session.hpp"

namespace posthorn::pop3 {
namespace {

std::string_view denial_of(LoginVerdict verdict) {
    switch (verdict) {
        case LoginVerdict::disabled: return "[AUTH] This account may not log in";
        case LoginVerdict::throttled: return "[SYS/TEMP] Too many failed logins, try again later";
        case LoginVerdict::unavailable: return "[SYS/TEMP] Cannot tell who you are now, try again later";
        default: return "[AUTH] Wrong user or password";
    }
}

}  // namespace

std::optional<ServerAction> ServerSession::obey_authorization(const Command& command) {
    switch (command.verb) {
        case Verb::user: user(command.argument); break;
        case Verb::pass: return pass(command.argument);
        case Verb::auth: return auth(command.argument);
        case Verb::capa: capabilities(); break;
        case Verb::stls: stls(); break;
        case Verb::utf8:  // RFC 6856 §2: octets are octets here, whichever was said
            utf8_ = true;
            ok("UTF-8 it is");
            break;
        case Verb::noop: ok(""); break;
        case Verb::quit:
            ok(options_.hostname + " closes, goodbye");
            end("quit");
            break;
        case Verb::apop: err("APOP is not offered here"); break;
        case Verb::unknown: err("Unknown command"); break;
        default: err("Log in first"); break;
    }
    return std::nullopt;
}

void ServerSession::user(std::string_view name) {
    if (!options_.user_pass) return err("USER is not offered here");
    if (!offer_.passwords()) return err("[AUTH] Start TLS first");
    if (name.empty() || name.size() > sasl::kMaxName || !base::valid_utf8(name) ||
        name.find('\0') != std::string_view::npos)
        return err("Syntax: USER name");
    user_ = name;
    ok("Now the password");
}

std::optional<ServerAction> ServerSession::pass(std::string_view secret) {
    if (!options_.user_pass || !offer_.passwords()) {
        err("PASS is not offered here");
        return std::nullopt;
    }
    if (user_.empty()) {
        err("Say USER first");
        return std::nullopt;
    }
    if (secret.empty() || secret.size() > sasl::kMaxSecret || !base::valid_utf8(secret) ||
        secret.find('\0') != std::string_view::npos) {
        user_.clear();
        login_failed("[AUTH] Wrong user or password");
        return std::nullopt;
    }
    mechanism_ = "USER";
    need_ = sasl::NeedPassword{.user = std::exchange(user_, {}), .password = std::string(secret)};
    return ask({.kind = ServerAction::Kind::login}, Awaiting::login);
}

// RFC 5034 §4. Without an argument, as long before it: which there are.
std::optional<ServerAction> ServerSession::auth(std::string_view argument) {
    if (argument.empty()) {
        list_mechanisms();
        return std::nullopt;
    }
    const auto [name, initial] = first_word(argument);
    const auto mechanism = sasl::parse_mechanism(name);
    if (!mechanism || !offer_.allows(*mechanism)) {
        err(mechanism && !offer_.passwords() ? "[AUTH] Start TLS first" : "No such mechanism here");
        return std::nullopt;
    }
    std::optional<std::string> octets;
    if (initial == "=") {
        octets.emplace();
    } else if (!initial.empty()) {
        octets = base::base64_decode(initial);
        if (!octets) {
            err("Not Base64");
            return std::nullopt;
        }
    }
    mechanism_ = sasl::name(*mechanism);
    stage_ = Stage::exchange;
    return follow(exchange_.begin(offer_, *mechanism, std::move(octets)));
}

std::optional<ServerAction> ServerSession::respond(std::string_view line) {
    const auto failed = [this](std::string_view why) {
        exchange_.end();
        stage_ = Stage::authorization;
        err(why);
        return std::nullopt;
    };
    if (line == "*") return failed("Cancelled");
    auto step = exchange_.respond(line);
    if (!step) return failed("Not Base64");
    return follow(*std::move(step));
}

std::optional<ServerAction> ServerSession::follow(sasl::Step step) {
    if (const auto* challenge = std::get_if<sasl::Challenge>(&step)) {
        ((out_ += "+ ") += base::base64_encode(challenge->bytes)) += "\r\n";
        flush_ = true;
        return std::nullopt;
    }
    if (const auto* failure = std::get_if<sasl::Failed>(&step)) {
        const auto why = exchange_.refusal(*failure);
        exchange_.end();
        stage_ = Stage::authorization;
        why ? login_failed(denial_of(*why)) : err("That is not what the mechanism says");
        return std::nullopt;
    }
    if (std::holds_alternative<sasl::Done>(step)) {
        exchange_.end();
        stage_ = Stage::authorization;
        return ask({.kind = ServerAction::Kind::open}, Awaiting::open);
    }
    need_ = std::move(step);
    return ask({.kind = ServerAction::Kind::login}, Awaiting::login);
}

void ServerSession::on_secret(sasl::ScramSecret secret) {
    settle(Awaiting::login);
    follow_next(exchange_.secret(std::move(secret)));
}

// From within an on_*(): the action waits for next().
void ServerSession::follow_next(sasl::Step step) {
    pending_ = follow(std::move(step));
    pending_awaiting_ = std::exchange(awaiting_, Awaiting::none);
}

void ServerSession::on_login(LoginVerdict verdict) {
    settle(Awaiting::login);
    need_ = sasl::Done{};
    if (exchange_.active()) {
        if (auto step = exchange_.judge(verdict)) return follow_next(*std::move(step));
    } else if (verdict == LoginVerdict::ok) {
        return follow_next(sasl::Done{});
    }
    exchange_.end();
    stage_ = Stage::authorization;
    login_failed(denial_of(verdict));
}

void ServerSession::login_failed(std::string_view text) {
    no(text);
    flush_ = true;
    if (++logins_ >= options_.max_logins) end("too many logins");
}

void ServerSession::on_opened(std::uint32_t uid_validity, std::vector<MaildropMessage> messages) {
    settle(Awaiting::open);
    maildrop_ = Maildrop(uid_validity, std::move(messages));
    stage_ = Stage::transaction;
    ok(std::to_string(maildrop_.count()) + " messages (" + std::to_string(maildrop_.bytes()) + " octets)");
}

// RFC 2449 §8.1.1, §8.1.2; RFC 3206 §4. The client may try again in this session.
void ServerSession::on_open_failed(OpenFailure why) {
    settle(Awaiting::open);
    switch (why) {
        case OpenFailure::in_use: return login_failed("[IN-USE] Another session has this maildrop open");
        case OpenFailure::login_delay: return login_failed("[LOGIN-DELAY] Not so soon again");
        case OpenFailure::unavailable:
            return login_failed("[SYS/TEMP] The maildrop cannot be opened now, try again later");
    }
}

// RFC 2595 §4
void ServerSession::stls() {
    if (tls()) return err("TLS is on already");
    if (!options_.starttls) return err("TLS is not offered here");
    ok("Begin TLS");
    begin_ = end_ = searched_ = 0;  // what came in the clear behind it is nobody's
    user_.clear();
    to_tls_ = true;
}

void ServerSession::list_mechanisms() {
    ok("");
    for (const auto mechanism : offer_.mechanisms) {
        if (offer_.allows(mechanism)) (out_ += sasl::name(mechanism)) += "\r\n";
    }
    out_ += ".\r\n";
}

// RFC 2449 §5, §6
void ServerSession::capabilities() {
    ok("");
    out_ += "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUTF8\r\n";
    if (options_.user_pass && offer_.passwords()) out_ += "USER\r\n";
    const auto names = offer_.names(" ");
    if (!names.empty()) ((out_ += "SASL") += names) += "\r\n";
    if (options_.starttls && !tls()) out_ += "STLS\r\n";
    if (!options_.expire.empty()) ((out_ += "EXPIRE ") += options_.expire) += "\r\n";
    if (options_.login_delay != 0) ((out_ += "LOGIN-DELAY ") += std::to_string(options_.login_delay)) += "\r\n";
    if (!options_.implementation.empty()) ((out_ += "IMPLEMENTATION ") += options_.implementation) += "\r\n";
    out_ += ".\r\n";
}

}  // namespace posthorn::pop3
