// Who may do what on the control socket: the peer's user and, where they are asked for, tokens. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/config.hpp"
#include "control/protocol/commands.hpp"

namespace posthorn::control {

// Uids and gids. Root and our own user always may write.
struct Permissions {
    std::set<unsigned> write;
    std::set<unsigned> read;
    std::set<unsigned> write_groups;
    std::set<unsigned> read_groups;
    AuthConfig auth;
    std::map<unsigned, std::string> names;  // of users, for the log
};

// Who asks, as the kernel tells.
struct User {
    unsigned uid = ~0U;
    std::vector<unsigned> groups{};  // all it is in
};

// The higher one of what the user and each of its groups may.
std::optional<Role> role_of(const Permissions& permissions, const User& peer, unsigned own_uid);

// Of a token, in constant time; nothing: nobody's.
std::optional<Role> role_of_token(const Permissions& permissions, std::string_view token);

// Why a command of this role is not for this user with this token; nothing: it is. Both must allow it.
std::optional<std::string> refusal(const Permissions& permissions, Role wanted, std::optional<Role> user,
                                   std::string_view token);

}  // namespace posthorn::control
