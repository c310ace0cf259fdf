// Who changes the embedded directory: `mailctl domain|account|alias` (control/account_commands), nobody else. Each
// change is durable when its Task returns, and holds for every question asked after that.
//
// Errors: permanent with code ENOENT: there is no such domain, account or alias; permanent with EEXIST: the name is
// taken; permanent with ENOTEMPTY: it still holds something; permanent with EINVAL: what was given cannot be; temporary:
// the disk or a full pool. log_text says it for the operator who asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/directory.hpp"

namespace posthorn::auth {

// What is given is set, the rest stays.
struct AccountChange {
    std::optional<std::string> display_name;
    std::optional<bool> disabled;
    std::optional<std::uint64_t> quota_bytes;
    std::optional<std::uint64_t> quota_messages;
    std::optional<std::uint32_t> messages_per_hour;
    std::optional<std::uint32_t> recipients_per_day;
    std::optional<std::uint64_t> max_message_size;
};

struct AppPasswordInfo {
    std::int64_t id = 0;
    std::string label;
    std::string service;  // empty: for all
    base::WallTime created{};
};

struct AccountInfo {
    Account account;
    base::WallTime created{};
    base::WallTime password_changed{};
    std::string scheme;  // "argon2id", "bcrypt"…; empty: no password
    bool scram = false;  // has verifiers
    std::vector<AppPasswordInfo> app_passwords;
};

struct DomainInfo {
    std::string name;
    std::vector<mail::Address> catch_all;
    std::uint64_t accounts = 0;
    std::uint64_t aliases = 0;
};

struct AliasInfo {
    mail::AccountName name;
    std::vector<mail::Address> targets;
};

// Domains are domain_key()s. Any loop.
class Editor {
public:
    virtual ~Editor() = default;

    virtual net::Task<base::Result<void>> add_domain(net::Loop& loop, std::string domain) = 0;
    // An empty list takes the catch-all away.
    virtual net::Task<base::Result<void>> set_catch_all(net::Loop& loop, std::string domain,
                                                        std::vector<mail::Address> targets) = 0;
    // Refused (ENOTEMPTY) while it has accounts or aliases, unless `everything`. Mailboxes are not touched.
    virtual net::Task<base::Result<void>> remove_domain(net::Loop& loop, std::string domain, bool everything) = 0;
    virtual net::Task<base::Result<std::vector<DomainInfo>>> domains(net::Loop& loop) = 0;

    // `password` empty: an account that nobody logs into with one.
    virtual net::Task<base::Result<void>> add_account(net::Loop& loop, mail::AccountName name, std::string password,
                                                      AccountChange change) = 0;
    virtual net::Task<base::Result<void>> set_account(net::Loop& loop, mail::AccountName name,
                                                      AccountChange change) = 0;
    virtual net::Task<base::Result<void>> set_password(net::Loop& loop, mail::AccountName name,
                                                       std::string password) = 0;
    // A hash that another system made (known_scheme()).
    virtual net::Task<base::Result<void>> set_hash(net::Loop& loop, mail::AccountName name, std::string hash) = 0;
    virtual net::Task<base::Result<void>> remove_account(net::Loop& loop, mail::AccountName name) = 0;
    // Of one domain, or (empty) of all; sorted by domain and name.
    virtual net::Task<base::Result<std::vector<Account>>> accounts(net::Loop& loop, std::string domain) = 0;
    virtual net::Task<base::Result<AccountInfo>> account_info(net::Loop& loop, mail::AccountName name) = 0;

    // The generated password, which is not kept.
    virtual net::Task<base::Result<std::string>> add_app_password(net::Loop& loop, mail::AccountName name,
                                                                  std::string label, std::string service) = 0;
    virtual net::Task<base::Result<void>> remove_app_password(net::Loop& loop, mail::AccountName name,
                                                              std::int64_t id) = 0;

    // Adds to the targets it has.
    virtual net::Task<base::Result<void>> add_alias(net::Loop& loop, mail::AccountName name,
                                                    std::vector<mail::Address> targets) = 0;
    // All targets anew.
    virtual net::Task<base::Result<void>> set_alias(net::Loop& loop, mail::AccountName name,
                                                    std::vector<mail::Address> targets) = 0;
    // These targets alone, or (empty) the alias.
    virtual net::Task<base::Result<void>> remove_alias(net::Loop& loop, mail::AccountName name,
                                                       std::vector<mail::Address> targets) = 0;
    virtual net::Task<base::Result<std::vector<AliasInfo>>> aliases(net::Loop& loop, std::string domain) = 0;
};

}  // namespace posthorn::auth
