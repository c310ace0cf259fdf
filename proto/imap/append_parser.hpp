// APPEND (RFC 9051 §6.3.12) with several messages (RFC 3502), CATENATE (RFC 4469) and UTF8 (RFC 6855), and REPLACE
// (RFC 8508): commands whose messages are never held. Fed with the texts between the messages' literals; tells what
// they say as events. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/imap/flags.hpp"
#include "proto/imap/sequence_set.hpp"

namespace posthorn::imap {

struct AppendEvent {
    enum class Kind : std::uint8_t {
        open,     // `text`: the mailbox; first
        message,  // a message begins: `flags`, `date`
        literal,  // octets of it follow: those of the literal the text ended with
        url,      // `text`: octets of it are found there
        message_end,
        end,  // of the command
    };
    Kind kind = Kind::end;
    std::string text;
    FlagList flags;
    std::optional<std::int64_t> date;  // milliseconds since 1970
    bool utf8 = false;
    std::optional<SequenceSet> replaces{};  // of open: REPLACE, its one message
    bool uid = false;                       // which is named by UID
};

class AppendParser {
public:
    // Whether a command (its beginning, at least up to the verb) is one of ours.
    static bool wants(std::string_view text);

    AppendParser(std::string_view command, bool utf8);
    const std::string& tag() const { return tag_; }

    // `text`: the command's beginning, later what followed a message's literal, up to the next literal's announcement
    // (not included) or the end. Nothing: the literal is a string of the command; come again when it is in the text.
    // An error is for the client.
    std::expected<std::optional<std::vector<AppendEvent>>, std::string> parse(std::string_view text,
                                                                              bool announced);

private:
    enum class Stage : std::uint8_t { head, after_message, in_utf8, in_catenate };
    struct Run;

    bool utf8_;
    std::string tag_;
    Stage stage_ = Stage::head;
    bool replace_ = false;
};

}  // namespace posthorn::imap
