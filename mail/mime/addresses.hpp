// Address fields as readers show them (RFC 5322 §3.4 and its obsolete forms §4.4): display names, groups, routes,
// comments. Lenient: every entry that says something gives something. For addresses one sends to, see
// mail/address_list.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mail/summary.hpp"

namespace posthorn::mail {

// `field`: unfolded. Gives no more than `max` entries.
std::vector<ListedAddress> parse_listed(std::string_view field, std::size_t max = SummaryLimits::addresses);

// The message ids in a field (RFC 5322 §3.6.4), "<a@b>" each, without what stands between them; at most `max`, the
// first and the last ones.
std::vector<std::string> parse_message_ids(std::string_view field, std::size_t max = SummaryLimits::references);

}  // namespace posthorn::mail
