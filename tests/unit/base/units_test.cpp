#include "base/units.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;
using namespace std::chrono_literals;

TEST_CASE("durations are read with their units, larger first") {
    CHECK(parse_duration("5m") == 5min);
    CHECK(parse_duration("1h30m") == 90min);
    CHECK(parse_duration("250ms") == 250ms);
    CHECK(parse_duration("1.5s") == 1500ms);
    CHECK(parse_duration("5d") == 120h);
    CHECK(parse_duration("1w1d") == 192h);
    CHECK(parse_duration("0") == 0s);
}

TEST_CASE("what is no duration is refused") {
    for (const auto* text :
         {"", "5", "m", "5 m", "-5m", "5m1h", "5m5m", "5x", "1e3s", "300y", "999999999d", "1..5s"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text));
    }
}

TEST_CASE("durations are written so that they read back") {
    CHECK(format_duration(90min) == "1h30m");
    CHECK(format_duration(0s) == "0s");
    CHECK(format_duration(1500ms) == "1s500ms");
    for (const auto ms : {1, 999, 60'000, 86'399'999, 604'800'001})
        CHECK(parse_duration(format_duration(std::chrono::milliseconds(ms))) == std::chrono::milliseconds(ms));
}

TEST_CASE("times are written in UTC with milliseconds") {
    CHECK(format_time(from_ms(1'795'250'431'007)) == "2026-11-21T08:40:31.007Z");
    CHECK(format_time(from_ms(0)) == "1970-01-01T00:00:00.000Z");
}

TEST_CASE("times of RFC 3339 are read with any offset") {
    CHECK(parse_time("2026-11-21T08:40:31.007Z") == from_ms(1'795'250'431'007));
    CHECK(parse_time("2026-11-21t08:40:31.0079z") == from_ms(1'795'250'431'007));
    CHECK(parse_time("2026-11-21T10:10:31+01:30") == from_ms(1'795'250'431'000));
    CHECK(parse_time("2026-11-21T05:40:31-03:00") == from_ms(1'795'250'431'000));
    CHECK(parse_time("2028-02-29T00:00:00Z").has_value());
    CHECK(parse_time("2016-12-31T23:59:60Z") == parse_time("2017-01-01T00:00:00Z"));
    for (const char* bad :
         {"", "2026-11-21", "2026-11-21T08:40:31", "2026-02-29T00:00:00Z", "2026-11-21T24:00:00Z",
          "2026-11-21T08:60:31Z", "2026-11-21T08:40:31.Z", "2026-11-21T08:40:31+0100", "2026-11-21T08:40:31Zx",
          "+026-11-21T08:40:31Z", "2026-11-21T08:40:31+24:00", "2026-1-21T08:40:31Z", "2026-11-21T08:40:-1Z"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_time(bad));
    }
}

TEST_CASE("sizes are read and written with binary units") {
    CHECK(parse_size("50MiB") == 50U << 20U);
    CHECK(parse_size("1.5KiB") == 1536);
    CHECK(parse_size("1000") == 1000);
    CHECK(parse_size("0B") == 0);
    for (const auto* text : {"", "MiB", "-1B", "5MB", "5 MiB", "99999999TiB"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text));
    }
    CHECK(format_size(50U << 20U) == "50MiB");
    CHECK(format_size(1536) == "1536B");
    CHECK(format_size(0) == "0B");
}
