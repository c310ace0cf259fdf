// Dates as mail writes and reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace posthorn::mail {

// RFC 5322 §3.3, in UTC: "Sat, 21 Nov 2026 08:30:11 +0000".
std::string date_text(base::WallTime at);

struct Date {
    std::int64_t seconds = 0;  // since 1970, UTC
    int zone_minutes = 0;      // offset of the sender's clock from UTC
    bool operator==(const Date&) const = default;
};

// RFC 5322 §3.3 and §4.3: without day name or seconds, two-digit years, named zones, comments. Lenient: no zone is
// UTC. Nothing where day, month, year or time are missing or there is no such day.
std::optional<Date> parse_date(std::string_view text);

}  // namespace posthorn::mail
