// Durations, sizes and times as people write them: "1h30m", "250ms", "50MiB".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace posthorn::base {

// "5m", "1h30m", "250ms", "1.5s", "2d", "1w"; units ms, s, m, h, d, w, larger ones first, each at most once. "0" alone
// needs no unit. Nothing when it is not that, negative, or more than 100 years.
std::optional<Duration> parse_duration(std::string_view text);
// The shortest form that parses back to the same, to the millisecond: "1h30m", "0s".
std::string format_duration(Duration d);

// RFC 3339 in UTC with milliseconds: "2026-11-21T08:40:31.123Z".
std::string format_time(WallTime t);
// RFC 3339 §5.6 with any offset; fractions beyond the millisecond are cut off. Nothing when it is none.
std::optional<WallTime> parse_time(std::string_view text);

// "50MiB", "64KiB", "1.5GiB", "1000", "1000B"; units B, KiB, MiB, GiB, TiB.
std::optional<std::uint64_t> parse_size(std::string_view text);
// With the largest unit that divides it: "50MiB", "1000B".
std::string format_size(std::uint64_t bytes);

}  // namespace posthorn::base
