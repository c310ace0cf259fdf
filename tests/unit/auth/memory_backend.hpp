// The fake among the backends: entries in a map, an outage when wanted.
#pragma once

#include <map>
#include <set>
#include <string>

#include "auth/impl/backend.hpp"

namespace posthorn::auth::testing {

class MemoryBackend : public impl::Backend {
public:
    explicit MemoryBackend(std::string name = "memory") : name_(std::move(name)) {}

    Account& account(const std::string& address, const std::string& password = {}, const HashCost& cost = cheap()) {
        const auto name = *mail::parse_account_name(address);
        domain_names.insert(name.domain);
        auto& entry = entries[name];
        entry.account = Account{.name = name};
        if (!password.empty()) passwords[name].password = *store_password(password, cost);
        return *entry.account;
    }
    // "@example.org" is the domain's catch-all.
    void alias(const std::string& address, const std::vector<std::string>& targets) {
        const auto at = address.rfind('@');
        const mail::AccountName name{address.substr(0, at), address.substr(at + 1)};
        domain_names.insert(name.domain);
        auto& entry = entries[name];
        for (const auto& target : targets) entry.targets.push_back(mail::parse_address(target).value());
    }
    static HashCost cheap() { return {.memory = 8192, .passes = 1, .scram_iterations = 4096}; }

    std::string_view name() const override { return name_; }
    bool serves(std::string_view domain) const override { return domain_names.contains(std::string(domain)); }
    std::vector<std::string> domains() const override { return {domain_names.begin(), domain_names.end()}; }
    net::Task<base::Result<std::optional<impl::Entry>>> find(net::Loop&, mail::AccountName name) override {
        ++questions;
        if (down) co_return trouble();
        const auto found = entries.find(name);
        if (found == entries.end()) co_return std::optional<impl::Entry>{};
        co_return std::optional(found->second);
    }
    Mechanisms mechanisms() const override { return offered; }
    net::Task<base::Result<std::optional<impl::Secrets>>> secrets(net::Loop&, mail::AccountName name) override {
        ++secrets_asked;
        if (down) co_return trouble();
        const auto found = passwords.find(name);
        if (found == passwords.end()) co_return std::optional<impl::Secrets>{};
        co_return std::optional(found->second);
    }
    bool ours() const override { return is_ours; }
    net::Task<base::Result<void>> replace(net::Loop&, mail::AccountName name, std::string old,
                                          StoredPassword fresh) override {
        ++replaced;
        auto& password = passwords.at(name).password;
        if (password.hash == old) password = std::move(fresh);
        co_return base::Result<void>{};
    }

    std::set<std::string> domain_names;
    std::map<mail::AccountName, impl::Entry> entries;
    std::map<mail::AccountName, impl::Secrets> passwords;
    Mechanisms offered{
        .password = true, .scram_sha_1 = true, .scram_sha_256 = true, .token = true, .external = true};
    bool down = false;
    bool is_ours = true;
    int questions = 0;
    int secrets_asked = 0;
    int replaced = 0;

private:
    static std::unexpected<base::Error> trouble() {
        return base::fail(base::ErrorKind::temporary, "no route to the database");
    }
    std::string name_;
};

}  // namespace posthorn::auth::testing
