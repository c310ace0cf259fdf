// The first words of a text, as a list of mail shows them (RFC 8970, RFC 8621 §4.1.4).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace posthorn::mail {

// `text` is UTF-8, `html`: markup, scripts and styles are left out. One line, spaces folded, no control characters,
// at most `max` characters.
std::string preview_of(std::string_view text, bool html, std::size_t max);

}  // namespace posthorn::mail
