// Encoded words (RFC 2047, RFC 2231 §5) in header fields.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::mail {

// An unfolded field as UTF-8: encoded words are decoded, the space between two of them is dropped, octets beyond
// ASCII outside them are taken for what to_utf8() makes of them; other control characters than TAB become spaces.
// Lenient: words may be longer than 75 octets, hold spaces, and stand without space around them.
std::string decode_words(std::string_view field);

}  // namespace posthorn::mail
