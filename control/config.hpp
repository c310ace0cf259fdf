// What [control] says: where the control socket is and who may use it.
#pragma once

#include <string>
#include <vector>

#include "base/sha256.hpp"
#include "control/protocol/commands.hpp"

namespace posthorn::control {

struct TokenConfig {
    base::Sha256 sha256{};
    Role role = Role::read;
    bool operator==(const TokenConfig&) const = default;
};

struct AuthConfig {
    bool enabled = false;
    std::vector<TokenConfig> tokens;
    bool operator==(const AuthConfig&) const = default;
};

struct Config {
    std::string socket;  // path; empty: control.sock in server.runtime_dir
    unsigned mode = 0600;
    std::string group;                     // of the socket; empty: unchanged
    std::vector<std::string> write_users;  // names or uids, besides root and our own
    std::vector<std::string> read_users;
    std::vector<std::string> write_groups;  // names or gids
    std::vector<std::string> read_groups;
    AuthConfig auth;
    bool operator==(const Config&) const = default;
};

}  // namespace posthorn::control
