// Passwords beyond ASCII, made comparable: RFC 4013, over Unicode 3.2 as it says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::sasl {

// Nothing: it has no such form (not UTF-8, or it holds what may not be in a password). One to be `stored` may not hold
// what Unicode 3.2 did not know. Printable ASCII is its own form.
std::optional<std::string> saslprep(std::string_view text, bool stored);

}  // namespace posthorn::sasl
