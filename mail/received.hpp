// The Received field we put before a message we take (RFC 5321 §4.4).
#pragma once

#include <string>
#include <string_view>

#include "mail/envelope.hpp"

namespace posthorn::mail {

// The WITH keyword of RFC 3848 and RFC 6531 §4.3: "ESMTPSA", "UTF8SMTP", "LMTP" ...
std::string_view with_keyword(const ClientInfo& client, bool smtputf8, bool lmtp = false);

// The whole field, folded, CRLF at each line's end. `by`: our host name. A recipient is named only where there is
// no other (RFC 5321 §7.2). Without SMTPUTF8 the field is ASCII.
std::string received_field(const Envelope& envelope, std::string_view by, bool lmtp = false);

}  // namespace posthorn::mail
