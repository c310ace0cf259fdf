// Mail addresses: RFC 5321 §4.1.2 with the UTF-8 of RFC 6531. Pure values.
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::mail {

// RFC 5321 §4.5.3.1: octets.
inline constexpr std::size_t kMaxLocalPart = 64;
inline constexpr std::size_t kMaxDomain = 255;
inline constexpr std::size_t kMaxPath = 256;

// A mailbox, "local@domain", or the null reverse-path (both parts empty).
// `local` is unquoted content: quoting is put back by to_string() where it is needed. Its case is kept.
// `domain` is kept as written; compare and look up by domain_key().
struct Address {
    std::string local;
    std::string domain;  // a name, or an address literal with its brackets: "[192.0.2.1]", "[IPv6:2001:db8::1]"

    bool empty() const { return local.empty() && domain.empty(); }
    bool literal() const { return domain.starts_with('['); }
    bool ascii() const;             // false: needs SMTPUTF8 (the local part; a U-label domain has an A-label form)
    std::string to_string() const;  // "local@domain", quoted where the grammar asks; "" when empty; a bare
                                    // "postmaster" (RFC 5321 §4.5.1) has no domain and prints without "@"
    auto operator<=>(const Address&) const = default;
};

// Parses "local@domain" (no brackets). Accepts quoted strings, literals, UTF-8 when `utf8`. Refused: no domain
// (a bare "postmaster" is for RCPT alone, whose parser knows it), control characters, anything too long.
std::optional<Address> parse_address(std::string_view text, bool utf8 = true);

// A host or domain name: labels of letters, digits and inner hyphens, 63 octets each; no final dot. With `utf8`
// also U-labels, if IDNA has an A-label for each.
bool valid_domain(std::string_view text, bool utf8 = true);

// The form under which a domain is looked up and compared: lower case, A-labels (IDNA 2008, UTS #46), no final
// dot; an address literal in canonical form. Empty when `domain` is not a valid name or literal.
std::string domain_key(std::string_view domain);

// The address inside a literal, canonical: "192.0.2.1", "2001:db8::1". Nothing when `domain` is no such literal.
// IPv4 and IPv6 are the only kinds registered (RFC 5321 §4.1.3).
std::optional<std::string> literal_address(std::string_view domain);

// Same mailbox for routing: domains compared by key, local parts exactly (RFC 5321 §2.4).
bool same_mailbox(const Address& a, const Address& b);

// Name against pattern: "example.com" matches itself; "*.example.com" every name below it, not itself; "*" all.
// Both are domain_key()s.
bool domain_matches(std::string_view pattern, std::string_view domain);

}  // namespace posthorn::mail
