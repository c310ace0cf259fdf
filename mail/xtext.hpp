// The encodings of RFC 3461 §4 (xtext) and RFC 6533 §3 (utf-8-addr-xtext, utf-8-addr-unitext): parameters ORCPT
// and ENVID. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::mail {

// Octets 33..126 but '+' and '=' stand for themselves, all others become "+XX".
std::string xtext_encode(std::string_view text);
std::optional<std::string> xtext_decode(std::string_view text);  // nothing when malformed

// RFC 6533 §3: "\x{HEX}" for what is not ASCII (and for '\', '+', '='): the form that passes where SMTPUTF8 does not.
std::string utf8_addr_xtext_encode(std::string_view text);
std::optional<std::string> utf8_addr_decode(std::string_view text);  // both its forms; the result is valid UTF-8

// ORCPT's value, RFC 3461 §4.2: "addr-type;address".
struct OriginalRecipient {
    std::string type;     // as given: "rfc822", "utf-8"
    std::string address;  // decoded
};
std::optional<OriginalRecipient> parse_orcpt(std::string_view value);

// Values that may stand in a command: printable ASCII without space (RFC 5321 esmtp-value, which also has no '='),
// or with `utf8` UTF-8 beyond it.
bool esmtp_value(std::string_view value, bool utf8);

}  // namespace posthorn::mail
