// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace posthorn::base {

// Octets of the valid sequence that starts at text[at] (1 to 4), 0 where none does; at < text.size().
std::size_t utf8_length(std::string_view text, std::size_t at);

bool valid_utf8(std::string_view text);

// One line that can be shown: control characters (C0, DEL, C1) and runs of them become one space each run,
// what is not UTF-8 becomes '?', and no more than `max` octets are kept (cut between characters).
std::string printable(std::string_view text, std::size_t max);

}  // namespace posthorn::base
