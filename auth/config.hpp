// What [auth] says: where accounts and their secrets are kept, what a password hash costs, what failures cost.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "auth/password.hpp"
#include "base/clock.hpp"
#include "base/config/table.hpp"

namespace posthorn::auth {

struct ThrottleConfig {
    std::uint32_t per_client = 20;                          // failures within the window; 0: no bound
    std::uint32_t per_account = 10;                         // the same, from clients the account does not know
    base::Duration window = std::chrono::minutes(15);       // in which a full bucket runs empty
    std::size_t entries = 100'000;                          // about 200 octets each
    base::Duration known_for = std::chrono::hours(24 * 7);  // how long a client that logged in stays known
    bool operator==(const ThrottleConfig&) const = default;
};

enum class BackendKind : std::uint8_t { embedded, file, sql, ldap };
std::string_view name(BackendKind kind);

struct FileConfig {
    std::string path;
    bool operator==(const FileConfig&) const = default;
};

enum class SqlEngine : std::uint8_t { sqlite, postgresql, mariadb };

struct SqlConfig {
    SqlEngine engine = SqlEngine::postgresql;
    std::string host = "localhost";  // or the folder or path of a Unix socket
    std::uint16_t port = 0;          // 0: the engine's own
    std::string database;            // of sqlite: its path
    std::string user;
    std::string password;
    bool verify_tls = false;
    std::vector<std::string> domains;
    std::string account_query =
        "SELECT name, password, disabled, quota, max_messages FROM account WHERE local = :local AND domain = "
        ":domain";
    std::string alias_query = "SELECT target FROM alias WHERE local = :local AND domain = :domain";
    bool scram = false;  // the account query gives scram_sha_1 and scram_sha_256
    std::uint32_t connections = 4;
    base::Duration timeout = std::chrono::seconds(5);
    bool operator==(const SqlConfig&) const = default;
};

struct LdapConfig {
    std::string url;  // "ldap://host", "ldaps://host:636", "ldapi:///"
    bool starttls = false;
    bool verify_tls = true;
    std::string ca_file;  // empty: the system's
    std::string bind_dn;
    std::string bind_password;
    std::vector<std::string> domains;
    std::string base;
    std::string filter = "(&(objectClass=inetOrgPerson)(mail=%a))";
    std::string user_dn;  // not empty: no search below `base`, the entry has this name
    std::string group;    // not empty: only members of this entry are accounts
    std::string member_attribute = "member";
    std::string name_attribute = "cn";
    std::string address_attribute;  // empty: an entry is not asked whose it is
    std::string quota_attribute;
    std::string max_messages_attribute;
    std::string disabled_attribute;
    std::string alias_filter;  // empty: no aliases
    std::string alias_attribute = "mail";
    std::uint32_t connections = 4;
    base::Duration timeout = std::chrono::seconds(5);
    bool operator==(const LdapConfig&) const = default;
};

// Empty URLs: no bearer tokens.
struct OAuthConfig {
    std::string introspection_url;
    std::string client_id;
    std::string client_secret;
    std::string jwks_url;
    std::string issuer;    // empty: not looked at
    std::string audience;  // the same
    std::string user_claim = "email";
    base::Duration clock_skew = std::chrono::minutes(1);
    base::Duration key_lifetime = std::chrono::hours(1);
    base::Duration timeout = std::chrono::seconds(5);
    bool operator==(const OAuthConfig&) const = default;
};

struct Config {
    std::string database;        // [server] data_dir + "/directory.sqlite"
    std::string postmaster;      // [delivery.dsn] postmaster: who gets what no postmaster of a domain gets
    std::string default_domain;  // of names without one; empty: [server] hostname

    std::vector<BackendKind> backends = {BackendKind::embedded};  // asked in this order
    std::string separator = "+";                                  // of sub-addressing; empty: none
    HashCost cost;
    std::uint32_t hash_threads = 0;  // passwords hashed side by side; 0: half the cores, at least one
    std::uint32_t hash_queue = 200;  // waiting for that; beyond it logins are put off
    base::Duration failure_delay = std::chrono::seconds(2);  // from an attempt's begin to its refusal
    ThrottleConfig throttle;
    FileConfig file;
    SqlConfig sql;
    LdapConfig ldap;
    OAuthConfig oauth;
    bool operator==(const Config&) const = default;
};

// Keys of [auth].
base::config::Table<Config> config_table();

}  // namespace posthorn::auth
