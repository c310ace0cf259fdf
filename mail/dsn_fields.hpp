// The part of a DSN that machines read: message/delivery-status (RFC 3464 §2), or message/global-delivery-status.
#pragma once

#include <string>
#include <string_view>

#include "mail/dsn.hpp"

namespace posthorn::mail {

// `global`: UTF-8 may stand in it (RFC 6533 §4); otherwise it is ASCII.
std::string dsn_fields(const DsnRequest& request, bool global);

// One header field with its line end, folded at spaces to 78 columns (RFC 5322 §2.2.3). What cannot stand in a
// header (controls, and without `utf8` everything beyond ASCII) is replaced.
std::string header_field(std::string_view name, std::string_view value, bool utf8);

// `status` if it is an enhanced status code, else the general one of its action.
std::string sound_status(const DsnRecipient& recipient);

}  // namespace posthorn::mail
