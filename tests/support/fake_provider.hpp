// Passwords and tokens in memory: auth::Provider without a backend, a hash or a delay, for tests of the sessions that
// ask it. One thread at a time.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "auth/provider.hpp"

namespace posthorn::testing {

class FakeProvider final : public auth::Provider {
public:
    // `user` is the canonical address. SCRAM secrets are set apart, made by whoever tests SCRAM.
    auth::Account& add(std::string_view user, std::string password);
    void add_token(std::string bearer, std::string_view user);
    void set_scram(std::string_view user, auth::ScramHash hash, auth::ScramSecrets secrets);
    void set_mechanisms(auth::Mechanisms mechanisms) { mechanisms_ = mechanisms; }
    // Every attempt ends so, until cleared with Verdict::ok.
    void force(auth::Login::Verdict verdict) { forced_ = verdict; }

    auth::Mechanisms mechanisms() const override { return mechanisms_; }
    net::Task<auth::Login> password(net::Loop& loop, std::string user, std::string secret,
                                    auth::Client client) override;
    net::Task<ScramBegin> scram_begin(net::Loop& loop, std::string user, auth::ScramHash hash,
                                      auth::Client client) override;
    net::Task<auth::Login> scram_end(net::Loop& loop, std::shared_ptr<ScramAttempt> attempt, bool proved) override;
    net::Task<auth::Login> token(net::Loop& loop, std::string user, std::string bearer,
                                 auth::Client client) override;
    net::Task<auth::Login> external(net::Loop& loop, std::string user, std::vector<std::string> names,
                                    auth::Client client) override;

    const std::vector<auth::Client>& clients() const { return clients_; }  // of each attempt, in order

private:
    auth::Login answer(const std::string& user, bool right) const;

    struct User {
        auth::Account account;
        std::string password;
        std::map<auth::ScramHash, auth::ScramSecrets> scram;
    };
    std::map<std::string, User, std::less<>> users_;
    std::map<std::string, std::string, std::less<>> tokens_;  // bearer to user
    auth::Mechanisms mechanisms_{
        .password = true, .scram_sha_1 = true, .scram_sha_256 = true, .token = true, .external = true};
    auth::Login::Verdict forced_ = auth::Login::Verdict::ok;
    std::vector<auth::Client> clients_;
};

}  // namespace posthorn::testing
