#include "proto/imap/scanner.hpp"

#include <chrono>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "proto/imap/limits.hpp"
#include "proto/imap/utf7.hpp"

namespace posthorn::imap {
namespace {

constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";

bool is_astring_char(char c) { return is_atom_char(c) || c == ']'; }
bool is_tag_char(char c) { return is_astring_char(c) && c != '+'; }
bool is_list_char(char c) { return is_astring_char(c) || c == '%' || c == '*'; }
bool is_digit(char c) { return base::is_digit(c); }

}  // namespace

bool is_atom_char(char c) {
    return base::is_print(c) && std::string_view("(){ %*\"\\]").find(c) == std::string_view::npos;
}

bool Scanner::eat(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
}

bool Scanner::eat_word(std::string_view word) {
    if (!base::istarts_with(rest(), word)) return false;
    const auto behind = at_ + word.size();
    if (behind < text_.size() && is_atom_char(text_[behind])) return false;
    at_ = behind;
    return true;
}

void Scanner::expect(char c) {
    if (!ok() || eat(c)) return;
    switch (c) {
        case ' ': return fail(at_end() ? "Something is missing at the end" : "A space is missing");
        case '(': return fail("Expected a parenthesis");
        case ')': return fail("Expected a closing parenthesis");
        default: return fail("Malformed");
    }
}

std::string_view Scanner::run(bool (*takes)(char)) {
    const auto begin = at_;
    while (at_ < text_.size() && takes(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
}

std::string_view Scanner::tag() {
    const auto taken = run(is_tag_char);
    if (taken.empty()) fail("A tag is missing");
    if (taken.size() > Limits::tag) fail("Too long a tag");
    return ok() ? taken : std::string_view{};
}

std::string_view Scanner::atom() {
    const auto taken = run(is_atom_char);
    if (taken.empty()) fail("Expected a word");
    return taken;
}

std::string Scanner::word() { return base::upper(atom()); }

std::string Scanner::astring() {
    if (peek() == '"' || peek() == '{' || rest().starts_with("~{")) return string();
    const auto taken = run(is_astring_char);
    if (taken.empty()) fail("Expected a string");
    return std::string(taken);
}

std::string Scanner::string() {
    if (!ok()) return {};
    if (peek() == '"') return quoted();
    if (peek() == '{' || rest().starts_with("~{")) return literal();
    fail("Expected a string");
    return {};
}

std::optional<std::string> Scanner::nstring() {
    if (eat_word("NIL")) return std::nullopt;
    return string();
}

// Octets beyond ASCII are taken wherever they are UTF-8: RFC 9051 §4.3, and RFC 3501 clients that never enabled it.
std::string Scanner::quoted() {
    std::string out;
    ++at_;
    while (!at_end()) {
        char c = text_[at_++];
        if (c == '"') {
            if (!base::valid_utf8(out)) fail("A quoted string is not UTF-8");
            return out;
        }
        if (c == '\\') {
            if (at_end()) break;
            c = text_[at_++];
            if (c != '"' && c != '\\') {
                fail("In a quoted string a backslash stands before a quote or a backslash");
                return {};
            }
        }
        if (c == '\0' || c == '\r' || c == '\n') break;
        out += c;
    }
    fail("A quoted string does not end");
    return {};
}

std::string Scanner::literal() {
    const bool binary = eat('~');
    expect('{');
    const auto digits = run(is_digit);
    eat('+');
    if (!eat('}') || !eat('\r') || !eat('\n') || digits.empty() || digits.size() > 9) {
        fail("Malformed literal");
        return {};
    }
    std::size_t size = 0;
    for (const char c : digits) size = size * 10 + static_cast<std::size_t>(c - '0');
    if (size > text_.size() - at_) {
        fail("A literal is cut short");
        return {};
    }
    std::string out(text_.substr(at_, size));
    at_ += size;
    if (!binary && out.find('\0') != std::string::npos) fail("A literal holds NUL");
    return out;
}

std::string Scanner::decode_name(std::string name) {
    if (!ok()) return {};
    if (utf8_) {
        if (!base::valid_utf8(name)) fail("A mailbox name is not UTF-8");
        return name;
    }
    auto decoded = decode_utf7(name);
    if (!decoded) {
        fail("A mailbox name is not in modified UTF-7");
        return {};
    }
    return std::move(*decoded);
}

std::string Scanner::mailbox() { return decode_name(astring()); }

std::string Scanner::list_pattern() {
    if (peek() == '"' || peek() == '{') return decode_name(string());
    const auto taken = run(is_list_char);
    if (taken.empty()) fail("Expected a mailbox pattern");
    return decode_name(std::string(taken));
}

std::uint64_t Scanner::number64() {
    const auto digits = run(is_digit);
    if (digits.empty() || digits.size() > 19) {
        fail("Expected a number");
        return 0;
    }
    std::uint64_t value = 0;
    for (const char c : digits) value = value * 10 + static_cast<std::uint64_t>(c - '0');
    if (value > INT64_MAX) {
        fail("Too large a number");
        return 0;
    }
    return value;
}

std::uint32_t Scanner::number() {
    const auto value = number64();
    if (value <= UINT32_MAX) return static_cast<std::uint32_t>(value);
    fail("Too large a number");
    return 0;
}

std::uint32_t Scanner::nz_number() {
    const auto value = number();
    if (value == 0) fail("0 is no message number");
    return value;
}

std::int64_t Scanner::signed_number() {
    const bool minus = eat('-');
    const auto value = static_cast<std::int64_t>(nz_number());
    return minus ? -value : value;
}

std::uint32_t Scanner::set_number() { return eat('*') ? SequenceSet::kStar : nz_number(); }

SequenceSet Scanner::sequence_set() {
    SequenceSet set;
    if (eat('$')) {
        set.saved = true;
        return set;
    }
    do {
        const auto first = set_number();
        const auto last = eat(':') ? set_number() : first;
        set.ranges.push_back({first, last});
        if (set.ranges.size() > Limits::ranges) fail("Too long a sequence set");
    } while (ok() && eat(','));
    return ok() ? set : SequenceSet{};
}

void Scanner::flag(FlagList& list) {
    if (!eat('\\')) {
        list.keywords.emplace_back(atom());
        if (list.keywords.size() > Limits::keywords) fail("Too many flags");
        if (list.keywords.back().size() > 128) fail("Too long a flag");
        return;
    }
    const auto name = atom();
    for (const auto& [known, bit] : kSystemFlags) {
        if (base::iequals(name, known.substr(1))) {
            list.system |= bit;
            return;
        }
    }
    fail("There is no such system flag");
}

FlagList Scanner::flag_list() {
    FlagList list;
    expect('(');
    if (eat(')')) return list;
    do flag(list);
    while (ok() && eat(' '));
    expect(')');
    return list;
}

FlagList Scanner::flags() {
    if (peek() == '(') return flag_list();
    FlagList list;
    do flag(list);
    while (ok() && eat(' '));
    return list;
}

std::int64_t Scanner::day_of(std::string_view day, std::string_view month, std::string_view year) {
    using namespace std::chrono;
    const auto number_of = [](std::string_view digits) {
        int value = 0;
        for (const char c : digits) value = value * 10 + (c == ' ' ? 0 : c - '0');
        return value;
    };
    std::size_t index = 0;
    while (index < 12 && !base::iequals(month, kMonths.substr(index * 3, 3))) ++index;
    const year_month_day date{std::chrono::year(number_of(year)),
                              std::chrono::month(static_cast<unsigned>(index) + 1),
                              std::chrono::day(static_cast<unsigned>(number_of(day)))};
    if (year.size() != 4 || !date.ok()) {
        fail("There is no such date");
        return 0;
    }
    return sys_days(date).time_since_epoch().count();
}

std::int64_t Scanner::date() {
    const bool in_quotes = eat('"');
    const auto day = run(is_digit);
    if (day.empty() || day.size() > 2 || !eat('-')) fail("Expected a date");
    const auto month = run(base::is_alpha);
    if (!eat('-')) fail("Expected a date");
    const auto year = run(is_digit);
    if (in_quotes && !eat('"')) fail("Expected a date");
    return ok() ? day_of(day, month, year) : 0;
}

// RFC 9051 §9: "dd-Mon-yyyy hh:mm:ss +zzzz", the day of two digits or of a space and one. Always 28 octets.
std::int64_t Scanner::date_time() {
    constexpr std::string_view shape = "\"##-aaa-#### ##:##:## +####\"";
    const auto text = rest().substr(0, shape.size());
    if (text.size() < shape.size()) {
        fail("Expected a date and time");
        return 0;
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const char c = text[i];
        const bool fits = shape[i] == '#'   ? base::is_digit(c) || (i == 1 && c == ' ')
                          : shape[i] == 'a' ? base::is_alpha(c)
                          : shape[i] == '+' ? c == '+' || c == '-'
                                            : c == shape[i];
        if (!fits) {
            fail("Expected a date and time");
            return 0;
        }
    }
    const auto two = [&](std::size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); };
    const auto day = day_of(text.substr(1, 2), text.substr(4, 3), text.substr(8, 4));
    const int hour = two(13), minute = two(16), second = two(19), zone = two(23) * 60 + two(25);
    if (hour > 23 || minute > 59 || second > 60 || zone > 24 * 60) fail("There is no such time");
    if (!ok()) return 0;
    at_ += shape.size();
    const auto local = ((day * 24 + hour) * 60 + minute) * 60 + second;
    return (local - (text[22] == '-' ? -zone : zone) * 60) * 1000;
}

}  // namespace posthorn::imap
