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

enum class BackendKind : std::uint8_t { embedded, file };
std::string_view name(BackendKind kind);

struct FileConfig {
    std::string path;
    bool operator==(const FileConfig&) const = default;
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
    bool operator==(const Config&) const = default;
};

// Keys of [auth].
base::config::Table<Config> config_table();

}  // namespace posthorn::auth
