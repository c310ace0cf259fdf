// TOML text into the neutral tree the tables of keys read. The one place that knows toml++.
#pragma once

#include <optional>
#include <string_view>

#include "base/config/value.hpp"

namespace posthorn::server {

// The whole document as one table. A syntax error is added to `problems` (the parser stops at the first).
// Nesting deeper than kMaxTomlDepth is refused.
std::optional<base::config::Value> parse_toml(std::string_view text, base::config::Problems& problems);

inline constexpr int kMaxTomlDepth = 16;

}  // namespace posthorn::server
