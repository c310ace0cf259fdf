// Reads the tokens of one whole command (RFC 9051 §9), literals in it as they came: "{3}\r\nabc". The first thing that
// is wrong stays its failure; after it every call gives an empty value at once, so that callers ask once, at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/imap/flags.hpp"
#include "proto/imap/sequence_set.hpp"

namespace posthorn::imap {

class Scanner {
public:
    // `utf8`: mailbox names are UTF-8 (RFC 9051, or UTF8=ACCEPT), else modified UTF-7.
    Scanner(std::string_view text, bool utf8) : text_(text), utf8_(utf8) {}

    bool ok() const { return failure_.empty(); }
    std::string_view failure() const { return failure_; }  // for the client; a string literal
    void fail(std::string_view why) {
        if (failure_.empty()) failure_ = why;
        at_ = text_.size();
    }

    bool at_end() const { return at_ == text_.size(); }
    std::size_t position() const { return at_; }
    std::string_view rest() const { return text_.substr(at_); }
    std::string_view take_rest() {
        const auto taken = rest();
        at_ = text_.size();
        return taken;
    }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    bool eat(char c);                      // it stood there and is taken
    bool eat_word(std::string_view word);  // case does not matter, and the word must end there
    void expect(char c);
    void space() { expect(' '); }
    void end() {
        if (!at_end()) fail("Something follows the command");
    }

    std::string_view tag();
    std::string_view atom();  // never empty
    std::string word();       // an atom in upper case
    std::string astring();
    std::string string();
    std::optional<std::string> nstring();
    std::string mailbox();       // UTF-8
    std::string list_pattern();  // UTF-8
    std::uint32_t number();
    std::uint32_t nz_number();
    std::uint64_t number64();      // below 2^63
    std::int64_t signed_number();  // of PARTIAL: "-1", not 0
    SequenceSet sequence_set();
    FlagList flag_list();      // with its parentheses
    FlagList flags();          // with or without
    std::int64_t date();       // days since 1970
    std::int64_t date_time();  // milliseconds since 1970, UTC
    std::uint64_t modseq() { return number64(); }

private:
    std::string_view run(bool (*takes)(char));
    std::string quoted();
    std::string literal();
    std::string decode_name(std::string name);
    void flag(FlagList& list);
    std::uint32_t set_number();
    std::int64_t day_of(std::string_view day, std::string_view month, std::string_view year);

    std::string_view text_;
    bool utf8_;
    std::size_t at_ = 0;
    std::string_view failure_;
};

// RFC 9051 §9 ATOM-CHAR.
bool is_atom_char(char c);

}  // namespace posthorn::imap
