// The one global: the log. Lines are values first (event, fields), text last, so that a field is never parsed out
// of prose. Writing never blocks a loop: a line goes into a bounded queue that a thread of its own writes to
// stderr; when the queue is full, or stderr takes none (a full disk, a pipe nobody reads), lines are dropped and
// counted, and the count is logged.
//
//   log::info("smtp.accepted", {{"message_id", id.to_string()}, {"size", size}});
//
// `event` is a stable machine name, "<component>.<what>"; a sentence for people goes into the field "msg", which is
// written as "message". Each component may have a level of its own.
// Levels: debug (a developer's), info (a step of a message's life), notice (an operator's act or a change of
// state), warning (something is wrong outside or with the config), error (we failed at something), fatal (we
// end). Credentials and bodies are never logged.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace posthorn::base::log {

enum class Level : std::uint8_t { debug, info, notice, warning, error, fatal };

struct Field {
    std::string_view key;
    std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

    Field(std::string_view k, std::string_view v) : key(k), value(v) {}
    Field(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
    Field(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
    Field(std::string_view k, bool v) : key(k), value(v) {}
    Field(std::string_view k, double v) : key(k), value(v) {}
    template <class T>
        requires std::is_integral_v<T>
    Field(std::string_view k, T v) : key(k) {
        if constexpr (std::is_signed_v<T>)
            value = static_cast<std::int64_t>(v);
        else
            value = static_cast<std::uint64_t>(v);
    }
};

// string_views in fields must live for the call only.
using Fields = std::initializer_list<Field>;
using Where = std::source_location;

void write(Level level, std::string_view event, Fields fields, Where where = Where::current());
void write(Level level, std::string_view event, const Field* fields, std::size_t count,
           Where where = Where::current());
// Whether lines of this level are wanted of any component: a quick look before a line is made.
bool enabled(Level level);

inline void debug(std::string_view event, Fields fields = {}, Where where = Where::current()) {
    if (enabled(Level::debug)) write(Level::debug, event, fields, where);
}
inline void info(std::string_view event, Fields fields = {}, Where where = Where::current()) {
    if (enabled(Level::info)) write(Level::info, event, fields, where);
}
inline void notice(std::string_view event, Fields fields = {}, Where where = Where::current()) {
    write(Level::notice, event, fields, where);
}
inline void warning(std::string_view event, Fields fields = {}, Where where = Where::current()) {
    write(Level::warning, event, fields, where);
}
inline void error(std::string_view event, Fields fields = {}, Where where = Where::current()) {
    write(Level::error, event, fields, where);
}
inline void fatal(std::string_view event, Fields fields = {}, Where where = Where::current()) {
    write(Level::fatal, event, fields, where);
}

enum class Format : std::uint8_t { text, json };

// The least important lines that are written: of all components, and of those that have their own.
struct Levels {
    Level level = Level::info;
    std::map<std::string, Level, std::less<>> components;
    bool operator==(const Levels&) const = default;
};

struct Config {
    Level level = Level::info;
    Format format = Format::text;
    std::map<std::string, Level, std::less<>> components{};
};

// Any thread, any time; applies to later lines.
void configure(Config config);
Levels levels();
void set_levels(Levels levels);

std::string_view name(Level level);
std::optional<Level> parse_level(std::string_view name);
// "info", "warning,delivery=debug": laid over `levels`. False: it is not that, and nothing has changed.
bool apply_levels(std::string_view text, Levels& levels);

// Returns when what was logged before the call has been written, or cannot be for seconds. For exits and tests.
void flush();
std::uint64_t dropped();

// Tests: while one lives, lines go to it (any thread) and not to stderr.
class Capture {
public:
    Capture();
    ~Capture();
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    bool contains(std::string_view text) const;
    std::string text() const;
};

}  // namespace posthorn::base::log
