#include "control/permissions.hpp"

#include <algorithm>

namespace posthorn::control {

std::optional<Role> role_of(const Permissions& permissions, const User& peer, unsigned own_uid) {
    const auto is_in = [&](const std::set<unsigned>& groups) {
        return std::ranges::any_of(peer.groups, [&](unsigned gid) { return groups.contains(gid); });
    };
    if (peer.uid == 0 || peer.uid == own_uid) return Role::write;
    if (permissions.write.contains(peer.uid) || is_in(permissions.write_groups)) return Role::write;
    if (permissions.read.contains(peer.uid) || is_in(permissions.read_groups)) return Role::read;
    return std::nullopt;
}

// Every sum is looked at to its end, whichever it is.
std::optional<Role> role_of_token(const Permissions& permissions, std::string_view token) {
    const auto sum = base::sha256(token);
    std::optional<Role> role;
    for (const auto& one : permissions.auth.tokens) {
        if (base::equal_in_constant_time(sum, one.sha256)) role = std::max(role.value_or(Role::read), one.role);
    }
    return role;
}

std::optional<std::string> refusal(const Permissions& permissions, Role wanted, std::optional<Role> user,
                                   std::string_view token) {
    if (!user || *user < wanted) return "is not allowed for you";
    if (!permissions.auth.enabled) return std::nullopt;
    if (token.empty()) return "wants a token: MAILCTL_TOKEN, or --token-file";
    const auto role = role_of_token(permissions, token);
    if (!role) return "is not allowed: nobody knows that token";
    if (*role < wanted) return "is not allowed with this token";
    return std::nullopt;
}

}  // namespace posthorn::control
