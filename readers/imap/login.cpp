// What a session asks of the provider of logins.
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

LoginVerdict verdict_of(auth::Login::Verdict verdict) {
    switch (verdict) {
        case auth::Login::Verdict::ok: return LoginVerdict::ok;
        case auth::Login::Verdict::wrong: return LoginVerdict::wrong;
        case auth::Login::Verdict::disabled: return LoginVerdict::disabled;
        case auth::Login::Verdict::throttled: return LoginVerdict::throttled;
        case auth::Login::Verdict::unavailable: break;
    }
    return LoginVerdict::unavailable;
}

}  // namespace

auth::Client Session::client() const {
    return {.ip = stream_->peer().ip.unmapped(),
            .unix_socket = !stream_->peer().unix_path.empty() || !stream_->local().unix_path.empty(),
            .service = "imap",
            .mechanism = std::string(machine_.mechanism()),
            .session = id_,
            .tls = machine_.tls()};
}

// Failures are counted, throttled, delayed and logged by the provider.
net::Task<> Session::login() {
    auto need = std::move(machine_.need());
    if (auto* secret = std::get_if<sasl::NeedSecret>(&need)) {
        const auto hash =
            secret->hash == sasl::ScramHash::sha_1 ? auth::ScramHash::sha_1 : auth::ScramHash::sha_256;
        auto begun =
            co_await worker_.shared.provider->scram_begin(worker_.loop, std::move(secret->user), hash, client());
        if (begun.verdict != auth::Login::Verdict::ok) {
            machine_.on_login(verdict_of(begun.verdict));
            co_return;
        }
        attempt_ = std::move(begun.attempt);
        machine_.on_secret({.salt = std::move(begun.secrets.salt),
                            .iterations = begun.secrets.iterations,
                            .stored_key = std::move(begun.secrets.stored_key),
                            .server_key = std::move(begun.secrets.server_key)});
        co_return;
    }
    const auto login = co_await look_up(std::move(need));
    if (login.verdict == auth::Login::Verdict::ok) {
        account_ = login.account.name;
        quota_ = login.account.quota;
    }
    machine_.on_login(verdict_of(login.verdict));
}

net::Task<auth::Login> Session::look_up(sasl::Step need) {
    auto& provider = *worker_.shared.provider;
    if (auto* password = std::get_if<sasl::NeedPassword>(&need))
        co_return co_await provider.password(worker_.loop, std::move(password->user), std::move(password->password),
                                             client());
    if (auto* token = std::get_if<sasl::NeedToken>(&need))
        co_return co_await provider.token(worker_.loop, std::move(token->user), std::move(token->token), client());
    if (const auto* proof = std::get_if<sasl::NeedVerdict>(&need))
        co_return co_await provider.scram_end(worker_.loop, std::move(attempt_), proof->proved);
    auth::Login no;
    no.verdict = auth::Login::Verdict::wrong;
    co_return no;
}

}  // namespace posthorn::imap
