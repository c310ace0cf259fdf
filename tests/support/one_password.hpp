// A provider of logins for tests of readers: every account is there, and its password is "secret".
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "auth/provider.hpp"

namespace posthorn::testing {

class OnePassword final : public auth::Provider {
public:
    auth::Mechanisms mechanisms() const override { return {.password = true}; }
    net::Task<auth::Login> password(net::Loop&, std::string user, std::string secret, auth::Client from) override {
        const std::lock_guard lock(mutex);
        clients.push_back(from);
        auth::Login login;
        login.verdict = verdict;
        const auto name = mail::parse_account_name(user);
        if (secret != "secret" || !name) login.verdict = auth::Login::Verdict::wrong;
        if (login.verdict == auth::Login::Verdict::ok) login.account.name = *name;
        co_return login;
    }
    net::Task<ScramBegin> scram_begin(net::Loop&, std::string, auth::ScramHash, auth::Client) override {
        co_return ScramBegin{};
    }
    net::Task<auth::Login> scram_end(net::Loop&, std::shared_ptr<ScramAttempt>, bool) override {
        co_return auth::Login{};
    }
    net::Task<auth::Login> token(net::Loop&, std::string, std::string, auth::Client) override {
        co_return auth::Login{};
    }
    net::Task<auth::Login> external(net::Loop&, std::string, std::vector<std::string>, auth::Client) override {
        co_return auth::Login{};
    }

    std::mutex mutex;
    auth::Login::Verdict verdict = auth::Login::Verdict::ok;
    std::vector<auth::Client> clients;
};

}  // namespace posthorn::testing
