// The name of an account: its canonical address. What store/, auth/ and the readers call it by.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "mail/address.hpp"

namespace posthorn::mail {

// Both parts in canonical form: ASCII letters of `local` in lower case, `domain` a domain_key(). Made by
// account_name() alone, but by who takes it from where it was written down.
struct AccountName {
    std::string local;
    std::string domain;

    std::string text() const { return local + '@' + domain; }
    // Where the account's files lie below the data directory: "<domain>/<local>", each part as path_component().
    std::string path() const;
    auto operator<=>(const AccountName&) const = default;
};

// Nothing when either part is empty or the domain is none.
std::optional<AccountName> account_name(const Address& address);
// Of "local@domain", quoted where the grammar asks or not at all: the last @ parts it.
std::optional<AccountName> parse_account_name(std::string_view text);

// A name as one component of a path: octets outside [a-z0-9._+-], and a dot at its beginning, as %XX; what would be
// longer than kMaxPathComponent becomes "%sha256-" and the sum of the name. Different names give different
// components, none is empty, ".", "..", hidden, or means something to a shell.
inline constexpr std::size_t kMaxPathComponent = 200;
std::string path_component(std::string_view name);
// The name again; nothing when it is no such component, or is a sum.
std::optional<std::string> from_path_component(std::string_view component);

}  // namespace posthorn::mail

template <>
struct std::hash<posthorn::mail::AccountName> {
    std::size_t operator()(const posthorn::mail::AccountName& name) const noexcept {
        const std::hash<std::string_view> part;
        return part(name.local) * 31 + part(name.domain);
    }
};
