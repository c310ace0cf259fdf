#include "proto/imap/text.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "proto/imap/scanner.hpp"
#include "proto/imap/utf7.hpp"

namespace posthorn::imap {
namespace {

enum class Fit : std::uint8_t { atom, quoted, literal };

Fit fit_of(std::string_view text, bool utf8) {
    bool atom = !text.empty();
    bool eight_bit = false;
    for (const char c : text) {
        if (c == '\r' || c == '\n' || c == '\0') return Fit::literal;
        if (!base::is_ascii(c)) eight_bit = true;
        atom = atom && is_atom_char(c);
    }
    if (eight_bit) return utf8 && base::valid_utf8(text) ? Fit::quoted : Fit::literal;
    return atom ? Fit::atom : Fit::quoted;
}

void put_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

void put_literal(std::string& out, std::string_view text) {
    out += '{';
    put_number(out, text.size());
    out += "}\r\n";
    const auto at = out.size();
    out += text;
    std::replace(out.begin() + static_cast<std::ptrdiff_t>(at), out.end(), '\0', '\x80');
}

}  // namespace

void put_number(std::string& out, std::uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out.append(digits, end);
}

void put_string(std::string& out, std::string_view text, bool utf8) {
    if (fit_of(text, utf8) == Fit::literal) {
        put_literal(out, text);
    } else {
        put_quoted(out, text);
    }
}

void put_nstring(std::string& out, std::string_view text, bool utf8) {
    if (text.empty()) {
        out += "NIL";
    } else {
        put_string(out, text, utf8);
    }
}

void put_astring(std::string& out, std::string_view text, bool utf8) {
    // NIL would be read as the lack of a string by some.
    if (fit_of(text, utf8) == Fit::atom && !base::iequals(text, "NIL")) {
        out += text;
    } else {
        put_string(out, text, utf8);
    }
}

void put_mailbox(std::string& out, std::string_view name, bool utf8) {
    if (utf8) {
        put_astring(out, name, true);
    } else {
        put_astring(out, encode_utf7(name), false);
    }
}

void put_flags(std::string& out, std::uint64_t flags, std::span<const std::string> keywords) {
    out += '(';
    bool first = true;
    const auto put = [&](std::string_view name) {
        if (!first) out += ' ';
        first = false;
        out += name;
    };
    for (const auto& [name, bit] : kSystemFlags) {
        if ((flags & bit) != 0) put(name);
    }
    for (std::size_t i = 0; i < keywords.size() && i < 59; ++i) {
        if ((flags >> (5 + i) & 1U) != 0) put(keywords[i]);
    }
    out += ')';
}

void put_date_time(std::string& out, std::int64_t ms) {
    using namespace std::chrono;
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const auto time = floor<seconds>(sys_time<milliseconds>(milliseconds(ms)));
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    const auto two = [&out](unsigned value, char fill) {
        out += value < 10 ? fill : static_cast<char>('0' + value / 10);
        out += static_cast<char>('0' + value % 10);
    };
    out += '"';
    two(static_cast<unsigned>(date.day()), ' ');
    out += '-';
    out += months.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3);
    out += '-';
    const auto year = static_cast<unsigned>(std::clamp(static_cast<int>(date.year()), 0, 9999));
    two(year / 100, '0');
    two(year % 100, '0');
    out += ' ';
    two(static_cast<unsigned>(clock.hours().count()), '0');
    out += ':';
    two(static_cast<unsigned>(clock.minutes().count()), '0');
    out += ':';
    two(static_cast<unsigned>(clock.seconds().count()), '0');
    out += " +0000\"";
}

void put_text(std::string& out, std::string_view text) {
    for (const char c : text) out += base::is_print(c) || !base::is_ascii(c) ? c : ' ';
}

// Negative ends count from the last: -1 is it.
NumberSet slice(const NumberSet& found, std::pair<std::int64_t, std::int64_t> partial) {
    const auto total = static_cast<std::int64_t>(found.count());
    auto [a, b] = partial;
    if (a < 0) a = total + 1 + a;
    if (b < 0) b = total + 1 + b;
    const auto first = std::max<std::int64_t>(std::min(a, b), 1);
    const auto last = std::min(std::max(a, b), total);
    NumberSet out;
    std::int64_t before = 0;
    for (const auto& range : found.ranges()) {
        const auto count = static_cast<std::int64_t>(range.count());
        const auto from = std::max(first, before + 1);
        const auto to = std::min(last, before + count);
        if (from <= to) {
            out.add(range.first + static_cast<std::uint32_t>(from - before - 1),
                    range.first + static_cast<std::uint32_t>(to - before - 1));
        }
        before += count;
    }
    return out;
}

namespace {

// What SEARCH and SORT tell alike; `all` and `part` as sequence sets.
struct Telling {
    std::uint32_t min = 0;  // 0: nothing was found
    std::uint32_t max = 0;
    std::uint64_t count = 0;
    std::string all;
    std::string part;
};

void put_results(std::string& out, std::string_view tag, bool uid, const Results& results, const Telling& told,
                 std::uint64_t modseq) {
    out += "* ESEARCH (TAG ";
    put_quoted(out, tag);
    out += uid ? ") UID" : ")";
    const auto put = [&out](std::string_view name, std::uint64_t number) {
        out += name;
        put_number(out, number);
    };
    const bool found = told.count != 0;
    // RFC 4731 §3.1: nothing found, nothing of MIN, MAX and ALL.
    if (results.min && found) put(" MIN ", told.min);
    if (results.max && found) put(" MAX ", told.max);
    if (results.count) put(" COUNT ", told.count);
    if (results.all && found) out += " ALL " + told.all;
    if (results.partial) {
        const auto [a, b] = *results.partial;
        out += " PARTIAL (" + std::to_string(a) + ':' + std::to_string(b) + ' ' +
               (told.part.empty() ? "NIL" : told.part) + ')';
    }
    if (modseq != 0 && found) put(" MODSEQ ", modseq);
    out += "\r\n";
}

// In this very order; what rises by one is a range.
std::string ordered(std::span<const std::uint32_t> numbers) {
    std::string out;
    for (std::size_t i = 0; i < numbers.size();) {
        auto last = i;
        while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
        if (!out.empty()) out += ',';
        put_number(out, numbers[i]);
        if (last > i) {
            out += ':';
            put_number(out, numbers[last]);
        }
        i = last + 1;
    }
    return out;
}

}  // namespace

void put_esearch(std::string& out, std::string_view tag, bool uid, const Results& results, const NumberSet& found,
                 std::uint64_t modseq) {
    Telling told;
    if (!found.empty()) {
        told = {.min = found.first(), .max = found.last(), .count = found.count()};
        if (results.all) told.all = found.text();
        if (results.partial) told.part = slice(found, *results.partial).text();
    }
    put_results(out, tag, uid, results, told, modseq);
}

std::pair<std::size_t, std::size_t> slice(std::size_t size, std::pair<std::int64_t, std::int64_t> partial) {
    auto first = static_cast<std::uint64_t>(std::abs(partial.first));
    auto last = static_cast<std::uint64_t>(std::abs(partial.second));
    if (first > last) std::swap(first, last);
    last = std::min<std::uint64_t>(last, size);
    if (first > last) return {0, 0};
    if (partial.first > 0) return {first - 1, last};
    return {size - last, size - first + 1};
}

void put_esort(std::string& out, std::string_view tag, bool uid, const Results& results,
               std::span<const std::uint32_t> found, std::uint64_t modseq) {
    Telling told;
    if (!found.empty()) {
        told = {.min = found.front(), .max = found.back(), .count = found.size()};
        if (results.all) told.all = ordered(found);
        if (results.partial) {
            const auto [begin, end] = slice(found.size(), *results.partial);
            told.part = ordered(found.subspan(begin, end - begin));
        }
    }
    put_results(out, tag, uid, results, told, modseq);
}

}  // namespace posthorn::imap
