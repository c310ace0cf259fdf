// How texts are compared where mail is sorted and threaded: the collation i;unicode-casemap (RFC 5051), by ICU.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::mail {

// Texts are the same, or one before the other, where the octets of these are: title case, then decomposed. Not more than
// the first `limit` octets of `utf8` are looked at; what is no UTF-8 becomes U+FFFD.
std::string casemap(std::string_view utf8, std::size_t limit = 256);

}  // namespace posthorn::mail
