// The command table: what can be asked over the control socket, as data. The server checks requests against it,
// mailctl makes its sub-commands and help from it, docs/control-protocol.md's list is written from it. Handlers are
// elsewhere (control/handlers.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "control/protocol/value.hpp"

namespace posthorn::control {

enum class Role : std::uint8_t { read, write };
std::string_view name(Role role);

enum class ArgType : std::uint8_t {
    text,
    integer,
    number,  // may have a fraction
    flag,
    duration,  // "1h30m"
    choice,
    ids,    // message ids: a list of strings; on a command line all plain words
    texts,  // a list of strings; on a command line the option may be given several times
};

struct Argument {
    std::string_view name;
    ArgType type;
    bool required = false;
    bool plain = false;  // on a command line without --name
    std::string_view help;
    std::span<const std::string_view> choices{};  // of ArgType::choice
    std::int64_t min = 0;                         // of ArgType::integer and number
    std::int64_t max = 0;
    bool local = false;   // mailctl's own, never sent
    bool secret = false;  // never on a command line, never logged
};

// How mailctl shows the result to people.
enum class Shape : std::uint8_t { fields, table, message, timeline, toml, raw };

struct Command {
    std::string_view name;  // "queue.list"; on a command line "queue list"; "trace" is a word alone
    Role role;
    Shape shape;
    std::string_view help;
    std::span<const Argument> args;
    bool local = false;  // mailctl does it itself, the server knows nothing of it
    bool body = false;   // a long request: a message that mailctl reads, or the file that its argument `file` names
};

inline constexpr std::size_t kMaxIds = 1000;    // of one request
inline constexpr std::size_t kMaxTexts = 1000;  // of one argument

std::span<const Command> commands();
const Command* find_command(std::string_view name);

// The arguments as they may be written down: of a secret only that it was there.
Value without_secrets(const Command* command, const Value& args);

// What is wrong with a request's arguments, for the one who asked; nothing when they fit. `here`: on a command line, where
// mailctl's own may stand too.
std::optional<std::string> check_args(const Command& command, const Value& args, bool here = false);

}  // namespace posthorn::control
