// The addresses in a To, Cc or Bcc field (RFC 5322 §3.4), for programs that submit mail whose header names the
// recipients. Pure. Lenient where people and programs are: display names need no quotes.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "mail/address.hpp"

namespace posthorn::mail {

inline constexpr std::size_t kMaxListedAddresses = 50'000;

// `field` is the body of a field, unfolded or not. A bare name ("root") gets `default_domain`. Groups give their
// members, comments and display names are dropped. The error is a sentence that quotes what is no address.
std::expected<std::vector<Address>, std::string> parse_address_list(std::string_view field,
                                                                    std::string_view default_domain);

// One address as on a command line or in a list: "a@b", "<a@b>", "Name <a@b>", "root".
std::expected<Address, std::string> parse_mailbox(std::string_view text, std::string_view default_domain);

}  // namespace posthorn::mail
