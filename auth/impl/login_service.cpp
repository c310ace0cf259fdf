#include "auth/impl/login_service.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"

namespace posthorn::auth::impl {
namespace {

using Verdict = Login::Verdict;

constexpr std::size_t kMaxUser = 320;  // octets: local part, "@", domain

// What a coroutine was given to check does not stay in memory.
class Wiped {
public:
    explicit Wiped(std::string& secret) : secret_(secret) {}
    ~Wiped() { wipe(secret_); }
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;

private:
    std::string& secret_;
};

std::string_view status(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok: return "ok";
        case Verdict::wrong: return "wrong";
        case Verdict::disabled: return "disabled";
        case Verdict::throttled: return "throttled";
        case Verdict::unavailable: return "unavailable";
    }
    return "unavailable";
}

// What the log calls it. docs/accounts.md gives "auth.failed" to fail2ban: only what somebody may be banned for.
struct Telling {
    base::log::Level level;
    std::string_view event;
    std::string_view msg;
};
Telling telling(Verdict verdict) {
    using base::log::Level;
    switch (verdict) {
        case Verdict::ok: return {Level::info, "auth.ok", "authenticated"};
        case Verdict::disabled: return {Level::notice, "auth.refused", "the account is disabled"};
        case Verdict::unavailable: return {Level::info, "auth.put_off", "authentication put off"};
        case Verdict::wrong:
        case Verdict::throttled: break;
    }
    return {Level::notice, "auth.failed", "authentication failed"};
}

// A name that could be somebody's: nothing with spaces or control characters.
std::optional<mail::AccountName> user_name(const std::string& user, const std::string& default_domain) {
    const auto odd = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7F; };
    if (user.size() > kMaxUser || std::ranges::any_of(user, odd)) return std::nullopt;
    const bool bare = user.find('@') == std::string::npos;
    return mail::parse_account_name(bare ? user + '@' + default_domain : user);
}

bool app_password_fits(const std::vector<AppPassword>& all, std::string_view secret, std::string_view service) {
    const auto hash = app_password_hash(secret);
    bool fits = false;  // all are looked at: how many there are is not to be heard from the time it takes
    for (const auto& one : all) fits |= one.hash == hash && (one.service.empty() || one.service == service);
    return fits;
}

}  // namespace

struct LoginService::Attempt {
    std::optional<mail::AccountName> name;  // nothing: what was given is no name
    std::string user;                       // as given
    Client client;
    Throttle::Ticket ticket;
    base::SteadyTime begun{};
    base::WallTime at{};  // the same
};

struct LoginService::Candidate {
    std::optional<Account> account;  // nothing: nobody
    Backend* backend = nullptr;
    Secrets secrets;
};

// An exchange that ends before its proof was no guess.
struct LoginService::Scram final : ScramAttempt {
    Scram(LoginService& s, std::shared_ptr<Attempt> a) : service(s), attempt(std::move(a)) {}
    ~Scram() override {
        if (!ended) service.throttle_.refund(attempt->ticket);
    }
    LoginService& service;
    std::shared_ptr<Attempt> attempt;
    std::optional<Account> account;
    bool ended = false;
};

LoginService::LoginService(Lookup& lookup, TokenVerifier* tokens, net::Pool& hashing, base::Metrics& metrics,
                           LoginRules rules, mail::EventSink* events)
    : lookup_(lookup),
      tokens_(tokens),
      hashing_(hashing),
      metrics_(metrics),
      rules_(std::move(rules)),
      throttle_(rules_.throttle),
      events_(events) {}

Mechanisms LoginService::mechanisms() const {
    auto out = lookup_.mechanisms();
    out.token = tokens_ != nullptr;
    return out;
}

LoginService::Attempt LoginService::begin(net::Loop& loop, const std::string& user, Client client) {
    Attempt out{.user = user, .client = std::move(client), .begun = loop.now(), .at = loop.clock().wall()};
    out.name = user_name(user, rules_.default_domain);
    auto key = out.name ? out.name->text() : base::lower(user.substr(0, kMaxUser));
    out.ticket = throttle_.begin(client_key(out.client.ip, out.client.unix_socket), std::move(key), out.begun);
    return out;
}

void LoginService::tell(const Attempt& attempt, Verdict verdict) {
    const bool ours = attempt.name && lookup_.serves(attempt.name->domain);
    metrics_
        .counter("posthorn_auth_attempts_total", "Attempts to log in",
                 {{"domain", ours ? attempt.name->domain : "unknown"}, {"status", std::string(status(verdict))}})
        .add();
    const auto client = attempt.client.unix_socket ? "unix" : attempt.client.ip.unmapped().to_string();
    const auto user = base::printable(attempt.name ? attempt.name->text() : attempt.user, kMaxUser);
    const auto how = telling(verdict);
    const base::log::Field fields[] = {{"msg", how.msg},
                                       {"client", client},
                                       {"user", user},
                                       {"reason", status(verdict)},
                                       {"mechanism", attempt.client.mechanism},
                                       {"service", attempt.client.service},
                                       {"session", attempt.client.session}};
    base::log::write(how.level, how.event, fields, std::size(fields));
    if (events_ != nullptr && verdict != Verdict::ok) record_refused(attempt, user, verdict);
}

void LoginService::record_refused(const Attempt& attempt, const std::string& user, Verdict verdict) {
    mail::Event event;
    event.kind = mail::EventKind::login_refused;
    event.at = attempt.at;
    event.session = attempt.client.session;
    if (!attempt.client.unix_socket) event.client_ip = attempt.client.ip.unmapped().to_string();
    event.sender = user;
    event.text = status(verdict);
    event.extra.emplace_back("service", attempt.client.service);
    event.extra.emplace_back("mechanism", attempt.client.mechanism);
    events_->record(event);
}

net::Task<Login> LoginService::finish(net::Loop& loop, std::shared_ptr<Attempt> attempt, Login login) {
    const bool known = login.verdict == Verdict::ok || login.verdict == Verdict::disabled;
    if (known || login.verdict == Verdict::unavailable) throttle_.refund(attempt->ticket);
    if (login.verdict == Verdict::ok) throttle_.remember(attempt->ticket, loop.now());
    tell(*attempt, login.verdict);
    // From the beginning on: how long the check took is not to be heard.
    if (login.verdict == Verdict::wrong) co_await net::sleep_until(loop, attempt->begun + rules_.failure_delay);
    co_return login;
}

net::Task<base::Result<LoginService::Candidate>> LoginService::candidate(net::Loop& loop,
                                                                         std::optional<mail::AccountName> name) {
    Candidate out;
    if (!name) co_return out;
    auto found = co_await lookup_.find(loop, *name);
    if (!found) co_return std::unexpected(std::move(found.error()));
    const bool somebody = *found && (*found)->entry.account;
    if (somebody) {
        out.account = std::move((*found)->entry.account);
        out.backend = (*found)->backend;
    }
    // Asked for nobody, too: whether there is such an account is not to be heard from the time it takes.
    auto* const holder = somebody ? out.backend : lookup_.first_for(name->domain);
    if (holder == nullptr || holder->checks()) co_return out;
    auto secrets = co_await lookup_.secrets(loop, holder, *name);
    if (!secrets) co_return std::unexpected(std::move(secrets.error()));
    if (*secrets && somebody) out.secrets = **std::move(secrets);
    co_return out;
}

net::Task<Login> LoginService::password(net::Loop& loop, std::string user, std::string secret, Client client) {
    const Wiped wiped(secret);
    auto attempt = std::make_shared<Attempt>(begin(loop, user, std::move(client)));
    Login login{.verdict = Verdict::throttled, .retry_after = attempt->ticket.retry_after};
    if (attempt->ticket.allowed) login = co_await check(loop, attempt, secret);
    co_return co_await finish(loop, std::move(attempt), std::move(login));
}

net::Task<Login> LoginService::check(net::Loop& loop, std::shared_ptr<Attempt> attempt, std::string secret) {
    const Wiped wiped(secret);
    auto who = co_await candidate(loop, attempt->name);
    if (!who) co_return Login{.verdict = Verdict::unavailable};
    base::Result<Match> match = Match::no;
    if (who->backend != nullptr && who->backend->checks()) {
        const auto right = co_await lookup_.check(loop, who->backend, *attempt->name, secret);
        if (!right) co_return Login{.verdict = Verdict::unavailable};
        match = *right ? Match::yes : Match::no;
    } else if (app_password_fits(who->secrets.app_passwords, secret, attempt->client.service)) {
        match = Match::yes;
    } else {
        auto job = [stored = who->secrets.password, password = secret, cost = rules_.cost]() mutable {
            const Wiped done(password);
            if (known_scheme(stored.hash)) return base::Result<Match>(check_password(stored, password, cost));
            check_nobody(password, cost);
            return base::Result<Match>(Match::no);
        };
        match = co_await net::offload(loop, hashing_, std::move(job));
    }
    if (!match) co_return Login{.verdict = Verdict::unavailable};
    if (*match == Match::no) co_return Login{.verdict = Verdict::wrong};
    if (who->account->disabled) co_return Login{.verdict = Verdict::disabled};
    if (*match == Match::outdated && who->backend->ours()) {
        net::spawn(loop, "auth.store_anew",
                   store_anew(loop, who->backend, *attempt->name, who->secrets.password.hash, secret));
    }
    co_return Login{.verdict = Verdict::ok, .account = *std::move(who->account)};
}

// Nobody waits for it; what fails is tried again at the next login.
net::Task<> LoginService::store_anew(net::Loop& loop, Backend* backend, mail::AccountName name, std::string old,
                                     std::string secret) {
    const Wiped wiped(secret);
    auto job = [password = secret, cost = rules_.cost]() mutable {
        const Wiped done(password);
        return store_password(password, cost);
    };
    auto fresh = co_await net::offload(loop, hashing_, std::move(job));
    if (!fresh) co_return;
    const auto kept = co_await backend->replace(loop, name, std::move(old), *std::move(fresh));
    if (!kept) base::log::warning("auth.store_anew", {{"account", name.text()}, {"reason", kept.error().log_text}});
}

net::Task<Provider::ScramBegin> LoginService::scram_begin(net::Loop& loop, std::string user, ScramHash hash,
                                                          Client client) {
    auto attempt = std::make_shared<Attempt>(begin(loop, user, std::move(client)));
    ScramBegin out{.verdict = Verdict::throttled, .retry_after = attempt->ticket.retry_after};
    if (!attempt->ticket.allowed) {
        tell(*attempt, out.verdict);
        co_return out;
    }
    auto who = co_await candidate(loop, attempt->name);
    if (!who) {
        throttle_.refund(attempt->ticket);
        out.verdict = Verdict::unavailable;
        tell(*attempt, out.verdict);
        co_return out;
    }
    auto scram = std::make_shared<Scram>(*this, std::move(attempt));
    const auto& password = who->secrets.password;
    auto secrets = parse_scram(hash == ScramHash::sha_1 ? password.scram_sha_1 : password.scram_sha_256, hash);
    if (secrets) scram->account = std::move(who->account);
    const auto& tried = *scram->attempt;
    out.secrets = secrets ? *std::move(secrets)
                          : scram_of_nobody(rules_.scram_key, tried.name ? tried.name->text() : tried.user,
                                            rules_.cost.scram_iterations, hash);
    out.verdict = Verdict::ok;
    out.attempt = std::move(scram);
    co_return out;
}

net::Task<Login> LoginService::scram_end(net::Loop& loop, std::shared_ptr<ScramAttempt> attempt, bool proved) {
    auto& scram = static_cast<Scram&>(*attempt);
    scram.ended = true;
    Login login{.verdict = Verdict::wrong};
    if (proved && scram.account) {
        login.verdict = scram.account->disabled ? Verdict::disabled : Verdict::ok;
        if (login.verdict == Verdict::ok) login.account = *scram.account;
    }
    co_return co_await finish(loop, scram.attempt, std::move(login));
}

net::Task<Login> LoginService::as(net::Loop& loop, std::optional<mail::AccountName> name) {
    if (!name) co_return Login{.verdict = Verdict::wrong};
    auto found = co_await lookup_.find(loop, *std::move(name));
    if (!found) co_return Login{.verdict = Verdict::unavailable};
    if (!*found || !(*found)->entry.account) co_return Login{.verdict = Verdict::wrong};
    auto& account = *(*found)->entry.account;
    if (account.disabled) co_return Login{.verdict = Verdict::disabled};
    co_return Login{.verdict = Verdict::ok, .account = std::move(account)};
}

net::Task<Login> LoginService::token(net::Loop& loop, std::string user, std::string bearer, Client client) {
    const Wiped wiped(bearer);
    auto attempt = std::make_shared<Attempt>(begin(loop, user, std::move(client)));
    Login login{.verdict = Verdict::throttled, .retry_after = attempt->ticket.retry_after};
    if (attempt->ticket.allowed && tokens_ == nullptr) login.verdict = Verdict::wrong;
    if (attempt->ticket.allowed && tokens_ != nullptr) {
        const auto whose = co_await tokens_->verify(loop, bearer);
        login.verdict = whose ? Verdict::wrong : Verdict::unavailable;
        const auto name = whose && *whose ? mail::parse_account_name(**whose) : std::nullopt;
        const bool meant = name && (user.empty() || attempt->name == name);
        if (meant) {
            attempt->name = name;
            login = co_await as(loop, name);
        }
    }
    co_return co_await finish(loop, std::move(attempt), std::move(login));
}

net::Task<Login> LoginService::external(net::Loop& loop, std::string user, std::vector<std::string> names,
                                        Client client) {
    if (user.empty() && names.size() == 1) user = names.front();
    auto attempt = std::make_shared<Attempt>(begin(loop, user, std::move(client)));
    Login login{.verdict = Verdict::throttled, .retry_after = attempt->ticket.retry_after};
    if (attempt->ticket.allowed) {
        login.verdict = Verdict::wrong;
        const auto named = [&](const std::string& one) { return mail::parse_account_name(one) == attempt->name; };
        const bool theirs = attempt->name && std::ranges::any_of(names, named);
        if (theirs) login = co_await as(loop, attempt->name);
    }
    co_return co_await finish(loop, std::move(attempt), std::move(login));
}

}  // namespace posthorn::auth::impl
