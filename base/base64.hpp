// Base64 of RFC 4648 §4, with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::base {

std::string base64_encode(std::string_view bytes);

// Strict: right padding, no other characters, no stray bits.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace posthorn::base
