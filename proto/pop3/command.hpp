// Command lines of POP3 (RFC 1939 §3, RFC 2449 §4). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace posthorn::pop3 {

enum class Verb : std::uint8_t {
    user,
    pass,
    stat,
    list,
    retr,
    dele,
    noop,
    rset,
    quit,
    top,
    uidl,
    capa,
    stls,
    auth,
    utf8,
    apop,
    unknown,
};

struct Command {
    Verb verb = Verb::unknown;
    std::string_view argument;  // all behind the keyword and one space
};

// `line` without its line end; the keyword's case does not matter.
Command parse_command(std::string_view line);

// The first word and what stands behind it, each without spaces around.
std::pair<std::string_view, std::string_view> first_word(std::string_view text);

// A message number, or TOP's count of lines: digits alone, at most ten of them.
std::optional<std::uint32_t> parse_number(std::string_view text);

}  // namespace posthorn::pop3
