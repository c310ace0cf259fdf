#include "base/units.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/ascii.hpp"

namespace posthorn::base {
namespace {

struct TimeUnit {
    std::string_view name;
    std::int64_t ms;
};
// Largest first: the order in which they may stand.
constexpr TimeUnit kTimeUnits[] = {{"w", 604'800'000}, {"d", 86'400'000}, {"h", 3'600'000},
                                   {"m", 60'000},      {"s", 1'000},      {"ms", 1}};
constexpr double kMaxMs = 100.0 * 366 * 86'400'000;

struct SizeUnit {
    std::string_view name;
    unsigned shift;
};
constexpr SizeUnit kSizeUnits[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}};
constexpr double kMaxSize = 9.0e18;

// A decimal number without sign or exponent from the front of `text`.
std::optional<double> take_number(std::string_view& text) {
    std::size_t size = 0;
    while (size < text.size() && (is_digit(text[size]) || text[size] == '.')) ++size;
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + size, value, std::chars_format::fixed);
    if (size == 0 || error != std::errc{} || end != text.data() + size) return std::nullopt;
    text.remove_prefix(size);
    return value;
}

std::string_view take_unit(std::string_view& text) {
    std::size_t size = 0;
    while (size < text.size() && is_alpha(text[size])) ++size;
    const auto unit = text.substr(0, size);
    text.remove_prefix(size);
    return unit;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    if (text == "0") return Duration::zero();
    double ms = 0;
    std::size_t next = 0;  // units before this one are spent
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        const auto number = take_number(text);
        if (!number) return std::nullopt;
        const auto unit = take_unit(text);
        std::size_t at = next;
        while (at < std::size(kTimeUnits) && kTimeUnits[at].name != unit) ++at;
        if (at == std::size(kTimeUnits)) return std::nullopt;
        ms += *number * static_cast<double>(kTimeUnits[at].ms);
        next = at + 1;
    }
    if (!(ms <= kMaxMs)) return std::nullopt;
    return std::chrono::milliseconds(std::llround(ms));
}

std::string format_duration(Duration d) {
    auto ms = std::chrono::floor<std::chrono::milliseconds>(d).count();
    if (ms <= 0) return "0s";
    std::string out;
    for (const auto& unit : kTimeUnits) {
        if (ms < unit.ms) continue;
        out += std::to_string(ms / unit.ms);
        out += unit.name;
        ms %= unit.ms;
    }
    return out;
}

std::string format_time(WallTime t) {
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{t - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                       time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

namespace {

// `digits` digits at the front, then one of `ends` (if any are wanted); -1: not so.
int take_part(std::string_view& text, std::size_t digits, std::string_view ends = {}) {
    const auto part = text.substr(0, digits);
    int value = 0;
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (part.size() != digits || error != std::errc{} || stop != part.data() + digits || value < 0) return -1;
    text.remove_prefix(digits);
    if (ends.empty()) return value;
    if (text.empty() || !ends.contains(text.front())) return -1;
    text.remove_prefix(1);
    return value;
}

// ".123456", cut to milliseconds; empty digits are none.
std::optional<std::chrono::milliseconds> take_fraction(std::string_view& text) {
    std::chrono::milliseconds out{0};
    if (!text.starts_with('.')) return out;
    text.remove_prefix(1);
    int unit = 100;
    std::size_t digits = 0;
    for (; digits < text.size() && is_digit(text[digits]); ++digits, unit /= 10)
        out += std::chrono::milliseconds(unit * (text[digits] - '0'));
    text.remove_prefix(digits);
    if (digits == 0) return std::nullopt;
    return out;
}

std::optional<std::chrono::minutes> take_offset(std::string_view text) {
    if (text == "Z" || text == "z") return std::chrono::minutes(0);
    if (text.size() != 6 || (text.front() != '+' && text.front() != '-')) return std::nullopt;
    const int sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
    const int hours = take_part(text, 2, ":");
    const int minutes = take_part(text, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
    return std::chrono::minutes(sign * (hours * 60 + minutes));
}

}  // namespace

std::optional<WallTime> parse_time(std::string_view text) {
    const int year = take_part(text, 4, "-");
    const int month = take_part(text, 2, "-");
    const int day = take_part(text, 2, "Tt ");
    const int hour = take_part(text, 2, ":");
    const int minute = take_part(text, 2, ":");
    const int second = take_part(text, 2);
    if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59) return std::nullopt;
    if (second < 0 || second > 60) return std::nullopt;  // a leap second
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    const auto fraction = take_fraction(text);
    const auto offset = take_offset(text);
    if (!date.ok() || !fraction || !offset) return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second) + *fraction - *offset;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    unsigned shift = 0;
    if (!text.empty()) {
        std::size_t at = 0;
        while (at < std::size(kSizeUnits) && !iequals(kSizeUnits[at].name, text)) ++at;
        if (at == std::size(kSizeUnits)) return std::nullopt;
        shift = kSizeUnits[at].shift;
    }
    const double bytes = std::ldexp(*number, static_cast<int>(shift));
    if (!(bytes <= kMaxSize)) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
}

std::string format_size(std::uint64_t bytes) {
    for (const auto& unit : kSizeUnits) {
        if (bytes == 0) break;
        if (bytes % (std::uint64_t{1} << unit.shift) == 0)
            return std::to_string(bytes >> unit.shift) + std::string(unit.name);
    }
    return "0B";
}

}  // namespace posthorn::base
