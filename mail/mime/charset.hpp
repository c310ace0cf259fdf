// Text in any charset as UTF-8, by ICU, which nothing else of mail/ sees.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::mail {

// Never fails: what is no character becomes U+FFFD. A charset that nobody knows, and octets beyond ASCII in text
// that claims to be ASCII: UTF-8 if they are that, else Windows-1252. At most 4 octets out for each one in.
std::string to_utf8(std::string_view charset, std::string_view bytes);

bool known_charset(std::string_view charset);

}  // namespace posthorn::mail
