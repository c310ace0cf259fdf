// auth::Provider over the backends: throttling, hashing on its pool, the same work and time for an unknown user as for a
// wrong password, storing anew what is out of date, and what is told of each attempt (log, metric). Any loop.
#pragma once

#include <memory>
#include <string>

#include "auth/config.hpp"
#include "auth/impl/lookup.hpp"
#include "auth/impl/throttle.hpp"
#include "auth/impl/token_verifier.hpp"
#include "base/metrics.hpp"
#include "mail/event.hpp"
#include "net/pool.hpp"

namespace posthorn::auth::impl {

struct LoginRules {
    std::string default_domain;
    HashCost cost;
    base::Duration failure_delay{};
    ThrottleConfig throttle;
    std::string scram_key;  // secret, the same at every start: what the salts of unknown users are made of
};

class LoginService final : public Provider {
public:
    // All outlive it, and it the loops' run. `tokens` null: no bearer tokens. `hashing`: the pool for password hashes.
    // `events`: told of refused logins; null: nobody is.
    LoginService(Lookup& lookup, TokenVerifier* tokens, net::Pool& hashing, base::Metrics& metrics,
                 LoginRules rules, mail::EventSink* events = nullptr);

    Mechanisms mechanisms() const override;
    net::Task<Login> password(net::Loop& loop, std::string user, std::string secret, Client client) override;
    net::Task<ScramBegin> scram_begin(net::Loop& loop, std::string user, ScramHash hash, Client client) override;
    net::Task<Login> scram_end(net::Loop& loop, std::shared_ptr<ScramAttempt> attempt, bool proved) override;
    net::Task<Login> token(net::Loop& loop, std::string user, std::string bearer, Client client) override;
    net::Task<Login> external(net::Loop& loop, std::string user, std::vector<std::string> names,
                              Client client) override;

private:
    struct Attempt;  // from its begin to its verdict
    struct Scram;
    struct Candidate;  // whose secrets an attempt is checked against

    Attempt begin(net::Loop& loop, const std::string& user, Client client);
    net::Task<Login> finish(net::Loop& loop, std::shared_ptr<Attempt> attempt, Login login);
    void tell(const Attempt& attempt, Login::Verdict verdict);
    void record_refused(const Attempt& attempt, const std::string& user, Login::Verdict verdict);
    net::Task<base::Result<Candidate>> candidate(net::Loop& loop, std::optional<mail::AccountName> name);
    net::Task<Login> check(net::Loop& loop, std::shared_ptr<Attempt> attempt, std::string secret);
    net::Task<Login> as(net::Loop& loop, std::optional<mail::AccountName> name);
    net::Task<> store_anew(net::Loop& loop, Backend* backend, mail::AccountName name, std::string old,
                           std::string secret);

    Lookup& lookup_;
    TokenVerifier* tokens_;
    net::Pool& hashing_;
    base::Metrics& metrics_;
    const LoginRules rules_;
    Throttle throttle_;
    mail::EventSink* const events_;
};

}  // namespace posthorn::auth::impl
