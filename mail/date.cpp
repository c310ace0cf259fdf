#include "mail/date.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <vector>

#include "base/ascii.hpp"

namespace posthorn::mail {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t kMaxDate = 256;  // octets looked at
constexpr std::size_t kMaxWords = 16;

// Words, numbers apart from what follows them; comments are left out.
std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> out;
    std::size_t depth = 0;
    std::size_t begin = 0;
    const auto word_ends = [&](std::size_t at) {
        if (at > begin && out.size() < kMaxWords) out.push_back(text.substr(begin, at - begin));
    };
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        const bool space = c == ' ' || c == '\t' || c == ',' || c == '(' || c == ')';
        if (depth == 0 && space) word_ends(at);
        if (c == '(') ++depth;
        if (c == ')' && depth > 0) --depth;
        if (depth != 0 || space) begin = at + 1;
    }
    if (depth == 0) word_ends(text.size());
    return out;
}

std::optional<int> number(std::string_view text, std::size_t max_digits) {
    int value = 0;
    if (text.empty() || text.size() > max_digits || !std::ranges::all_of(text, base::is_digit)) return std::nullopt;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// RFC 5322 §4.3
std::optional<std::chrono::year> year_of(std::string_view text) {
    const auto value = number(text, 4);
    if (!value || text.size() < 2) return std::nullopt;
    if (text.size() == 2) return std::chrono::year(*value < 50 ? 2000 + *value : 1900 + *value);
    return std::chrono::year(text.size() == 3 ? 1900 + *value : *value);
}

std::optional<std::chrono::month> month_of(std::string_view text) {
    for (unsigned i = 0; i < kMonths.size(); ++i) {
        if (base::istarts_with(text, kMonths[i])) return std::chrono::month(i + 1);
    }
    return std::nullopt;
}

// "08:30" or "08:30:11"; a leap second counts as the one before.
std::optional<int> time_of(std::string_view text) {
    const auto first = text.find(':');
    if (first == std::string_view::npos) return std::nullopt;
    const auto second = text.find(':', first + 1);
    const auto hours = number(text.substr(0, first), 2);
    const auto minutes = number(text.substr(first + 1, second - first - 1), 2);
    const auto seconds = second == std::string_view::npos ? 0 : number(text.substr(second + 1), 2);
    if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
    return *hours * 3600 + *minutes * 60 + std::min(*seconds, 59);
}

int zone_of(std::string_view text) {
    if (text.size() == 5 && (text[0] == '+' || text[0] == '-')) {
        const auto value = number(text.substr(1), 4);
        if (!value || *value % 100 > 59) return 0;
        const int minutes = *value / 100 * 60 + *value % 100;
        return text[0] == '-' ? -minutes : minutes;
    }
    struct Named {
        std::string_view name;
        int hours;
    };
    static constexpr std::array<Named, 8> zones{
        {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}}};
    for (const auto& zone : zones) {
        if (base::iequals(text, zone.name)) return zone.hours * 60;
    }
    return 0;
}

}  // namespace

std::string date_text(base::WallTime at) {
    static constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
    return fmt::format("{}, {} {} {:04} {:02}:{:02}:{:02} +0000", days[std::chrono::weekday(day).c_encoding()],
                       static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                       static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                       time.seconds().count());
}

std::optional<Date> parse_date(std::string_view text) {
    auto words = words_of(text.substr(0, kMaxDate));
    if (!words.empty() && base::is_alpha(words.front().front()) && words.size() > 1) words.erase(words.begin());
    if (words.size() < 4) return std::nullopt;
    const auto day = number(words[0], 2);
    const auto month = month_of(words[1]);
    const auto year = year_of(words[2]);
    const auto time = time_of(words[3]);
    if (!day || !month || !year || !time) return std::nullopt;
    const std::chrono::year_month_day date(*year, *month, std::chrono::day(static_cast<unsigned>(*day)));
    if (!date.ok()) return std::nullopt;
    const int zone = words.size() > 4 ? zone_of(words[4]) : 0;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return Date{.seconds = std::int64_t{days} * 86'400 + *time - zone * 60, .zone_minutes = zone};
}

}  // namespace posthorn::mail
