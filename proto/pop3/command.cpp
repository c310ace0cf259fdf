#include "proto/pop3/command.hpp"

#include <array>
#include <charconv>

#include "base/ascii.hpp"

namespace posthorn::pop3 {
namespace {

constexpr std::array<std::pair<std::string_view, Verb>, 16> kVerbs{{
    {"USER", Verb::user},
    {"PASS", Verb::pass},
    {"STAT", Verb::stat},
    {"LIST", Verb::list},
    {"RETR", Verb::retr},
    {"DELE", Verb::dele},
    {"NOOP", Verb::noop},
    {"RSET", Verb::rset},
    {"QUIT", Verb::quit},
    {"TOP", Verb::top},
    {"UIDL", Verb::uidl},
    {"CAPA", Verb::capa},
    {"STLS", Verb::stls},
    {"AUTH", Verb::auth},
    {"UTF8", Verb::utf8},
    {"APOP", Verb::apop},
}};

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

}  // namespace

Command parse_command(std::string_view line) {
    const auto space = line.find(' ');
    const auto word = line.substr(0, space);
    Command out;
    if (space != std::string_view::npos) out.argument = line.substr(space + 1);
    for (const auto& [name, verb] : kVerbs) {
        if (base::iequals(word, name)) out.verb = verb;
    }
    // A password is all that stands behind "PASS ", spaces too (RFC 1939 §7).
    if (out.verb != Verb::pass) out.argument = trimmed(out.argument);
    return out;
}

std::pair<std::string_view, std::string_view> first_word(std::string_view text) {
    const auto space = text.find(' ');
    if (space == std::string_view::npos) return {text, {}};
    return {text.substr(0, space), trimmed(text.substr(space))};
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || text.size() > 10 || error != std::errc{} || end != text.data() + text.size() ||
        !base::is_digit(text.front()))
        return std::nullopt;
    return value;
}

}  // namespace posthorn::pop3
