// One place where accounts are kept, as the least that the directory and the logins need of it: exact lookups. What
// tags, catch-alls, throttling and hashing mean stands above, once for all backends (lookup.hpp, directory_service.hpp,
// login_service.hpp). ONE contract test: tests/unit/auth/backend_contract.hpp.
//
// Calls come on any loop's thread and resume there; what may block runs on a pool with a time limit. A backend that is
// down answers a temporary Error; telling the operator is lookup.hpp's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/directory.hpp"
#include "auth/password.hpp"
#include "auth/provider.hpp"

namespace posthorn::auth::impl {

// What one name stands for: an account, or (without one) an alias.
struct Entry {
    std::optional<Account> account;
    std::vector<mail::Address> targets;
};

struct AppPassword {
    std::string hash;     // app_password_hash()
    std::string service;  // only for this one; empty: for all
    bool operator==(const AppPassword&) const = default;
};

struct Secrets {
    StoredPassword password;
    std::vector<AppPassword> app_passwords;
};

class Backend {
public:
    virtual ~Backend() = default;
    virtual std::string_view name() const = 0;  // for the log

    // From memory, never blocks. Domains are domain_key()s.
    virtual bool serves(std::string_view domain) const = 0;
    virtual std::vector<std::string> domains() const = 0;

    // Both parts canonical; an empty `local` asks for the domain's catch-all, which is an alias.
    virtual net::Task<base::Result<std::optional<Entry>>> find(net::Loop& loop, mail::AccountName name) = 0;

    virtual Mechanisms mechanisms() const = 0;
    // Of an account; nothing: it has none here. Not asked of backends that check passwords themselves.
    virtual net::Task<base::Result<std::optional<Secrets>>> secrets(net::Loop& loop, mail::AccountName name) = 0;

    // A backend that gives no secrets away but answers whether a password is right (an LDAP bind).
    virtual bool checks() const { return false; }
    virtual net::Task<base::Result<bool>> check(net::Loop&, mail::AccountName, std::string) { co_return false; }

    // What is kept here may be changed by us. A backend that others write to keeps what it has.
    virtual bool ours() const { return false; }
    // Where it is ours: keeps `fresh` instead of what has the hash `old`.
    virtual net::Task<base::Result<void>> replace(net::Loop&, mail::AccountName, std::string, StoredPassword) {
        co_return base::Result<void>{};
    }
};

}  // namespace posthorn::auth::impl
