// From the octets of one command to its value. Pure; one pass; an error names what was wrong and keeps the tag, so that
// the client gets its tagged BAD.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "proto/imap/command.hpp"
#include "proto/imap/scanner.hpp"

namespace posthorn::imap {

struct ParseOptions {
    bool utf8 = false;  // mailbox names are UTF-8, not modified UTF-7
};

struct ParseError {
    std::string tag;       // empty: not even that could be read ("*" answers)
    std::string text;      // for the client
    bool unknown = false;  // there is no such command
};

struct Parsed {
    Command command;
    When when = When::any;
};

// `text`: the command with its literals, without its last line end. Not APPEND nor REPLACE.
std::expected<Parsed, ParseError> parse_command(std::string_view text, ParseOptions options);

// ---- one function a command (parse_*.cpp); `uid`: it came behind UID
namespace detail {
using Body = decltype(Command::what);
Body parse_authenticate(Scanner& s);
Body parse_login(Scanner& s);
Body parse_enable(Scanner& s);
Body parse_id(Scanner& s);
Body parse_select(Scanner& s);
Body parse_examine(Scanner& s);
Body parse_create(Scanner& s);
Body parse_rename(Scanner& s);
Body parse_status(Scanner& s);
Body parse_list(Scanner& s);
Body parse_lsub(Scanner& s);
Body parse_expunge(Scanner& s);
Body parse_search(Scanner& s);
Body parse_sort(Scanner& s);
Body parse_thread(Scanner& s);
Body parse_fetch(Scanner& s);
Body parse_store(Scanner& s);
Body parse_copy(Scanner& s);
Body parse_move(Scanner& s);
Body parse_set_quota(Scanner& s);
Body parse_get_metadata(Scanner& s);
Body parse_set_metadata(Scanner& s);
Body parse_notify(Scanner& s);
Body parse_compress(Scanner& s);

std::vector<StatusItem> parse_status_items(Scanner& s);
std::vector<FetchItem> parse_fetch_items(Scanner& s);
// RFC 9051 §9 section, with its brackets; `binary`: numbers alone (RFC 3516).
Section parse_section(Scanner& s, bool binary);
std::optional<std::pair<std::int64_t, std::int64_t>> parse_partial(Scanner& s);
}  // namespace detail

}  // namespace posthorn::imap
