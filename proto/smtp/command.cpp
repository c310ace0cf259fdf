#include "proto/smtp/command.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "base/ascii.hpp"
#include "base/base64.hpp"
#include "base/utf8.hpp"

namespace posthorn::smtp {
namespace {

constexpr std::array<std::pair<std::string_view, Verb>, 16> kVerbs{{
    {"HELO", Verb::helo},
    {"EHLO", Verb::ehlo},
    {"LHLO", Verb::lhlo},
    {"MAIL", Verb::mail},
    {"RCPT", Verb::rcpt},
    {"DATA", Verb::data},
    {"BDAT", Verb::bdat},
    {"RSET", Verb::rset},
    {"VRFY", Verb::vrfy},
    {"EXPN", Verb::expn},
    {"HELP", Verb::help},
    {"NOOP", Verb::noop},
    {"QUIT", Verb::quit},
    {"STARTTLS", Verb::starttls},
    {"AUTH", Verb::auth},
    {"XCLIENT", Verb::xclient},
}};

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace

std::string_view name(Verb verb) {
    for (const auto& [word, known] : kVerbs) {
        if (known == verb) return word;
    }
    return "?";
}

Command parse_command(std::string_view line) {
    line = trim(line);
    std::size_t length = 0;
    while (length < line.size() && !is_blank(line[length])) ++length;
    const auto word = line.substr(0, length);
    for (const auto& [text, verb] : kVerbs) {
        if (base::iequals(word, text)) return {verb, trim(line.substr(length))};
    }
    return {Verb::unknown, trim(line.substr(length))};
}

Parsed<std::string_view> parse_helo(std::string_view argument) {
    constexpr Fault fault{501, "5.5.4", "Give your host name or address literal"};
    // RFC 6531 §3.7.1: a U-label may stand here; otherwise visible ASCII.
    if (argument.empty() || argument.size() > mail::kMaxDomain || !base::valid_utf8(argument)) {
        return std::unexpected(fault);
    }
    for (const char c : argument) {
        if (base::is_ascii(c) && (!base::is_print(c) || std::string_view(" ()<>\\\",;").contains(c))) {
            return std::unexpected(fault);
        }
    }
    if (base::printable(argument, argument.size()) != argument) return std::unexpected(fault);  // C1 controls
    return argument;
}

Parsed<AuthArgument> parse_auth(std::string_view argument) {
    constexpr Fault syntax{501, "5.5.4", "Syntax: AUTH mechanism [initial-response]"};
    AuthArgument out;
    const auto blank = argument.find(' ');
    out.mechanism = argument.substr(0, blank);
    if (out.mechanism.empty()) return std::unexpected(syntax);
    if (blank == std::string_view::npos) return out;
    const auto initial = trim(argument.substr(blank));
    if (initial.contains(' ')) return std::unexpected(syntax);
    out.initial = initial == "=" ? std::string{} : base::base64_decode(initial);
    if (!out.initial) return std::unexpected(Fault{501, "5.5.2", "That is not Base64"});
    return out;
}

Parsed<BdatArgument> parse_bdat(std::string_view argument) {
    constexpr Fault fault{501, "5.5.4", "Syntax: BDAT size [LAST]"};
    BdatArgument out;
    const char* const end = argument.data() + argument.size();
    const auto [stop, error] = std::from_chars(argument.data(), end, out.size);
    if (error != std::errc{}) return std::unexpected(fault);
    const auto rest = std::string_view(stop, end);
    if (rest.empty()) return out;
    if (!is_blank(rest.front()) || !base::iequals(trim(rest), "LAST")) return std::unexpected(fault);
    out.last = true;
    return out;
}

}  // namespace posthorn::smtp
