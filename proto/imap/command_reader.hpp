// Cuts what a client sends into commands (RFC 9051 §2.2.1, §4.3): lines, and the literals that lines announce. Pure.
//
// feed() takes octets until something is to be decided. A line that ends in "{n}" stops it: the caller says whether the
// literal is a string of the command (take_literal()), the octets of a message that the caller reads itself
// (hand_over()), or nothing anybody wants (refuse_literal()).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::imap {

struct LiteralMark {
    std::uint64_t size = 0;
    bool waits = true;    // synchronising: the client sends nothing before our "+"
    bool binary = false;  // literal8 (RFC 9051 §9)
};

class CommandReader {
public:
    enum class State : std::uint8_t {
        reading,   // wants more octets
        literal,   // text() ends in the announcement of mark(): decide
        complete,  // text() is the command, or the rest of it after hand_over(), without its line end
        too_long,  // as complete, but it did not fit: text() is its beginning
    };

    // Octets taken. Stops at once when the state is not `reading`.
    std::size_t feed(std::string_view bytes);
    State state() const { return state_; }
    const std::string& text() const { return text_; }
    const LiteralMark& mark() const { return mark_; }
    // text() without the announcement at its end.
    std::string_view before_mark() const { return std::string_view(text_).substr(0, mark_at_); }

    // False: with it the command would be longer than Limits::command; refuse_literal() it.
    bool take_literal();
    // The caller reads mark().size octets; what follows them is a new text.
    void hand_over();
    // The command is not to be: octets of a literal that does not wait are read past, and the rest of its line; the
    // state becomes too_long then. One that waits never comes: so at once.
    void refuse_literal();
    // The same in the midst of a message's literal, of which `left` octets are to come, or right behind it.
    void skip(std::uint64_t left);
    void wipe();   // what it holds of secrets
    void reset();  // for the next command

    // Nothing of a command has come.
    bool idle() const { return state_ == State::reading && text_.empty() && left_ == 0 && !overflow_; }

private:
    void line_ended();
    bool find_mark(std::string_view line);

    State state_ = State::reading;
    std::string text_;
    std::size_t line_ = 0;    // where the last line of text_ begins
    std::uint64_t left_ = 0;  // octets of a literal that belong to text_, or are read past
    LiteralMark mark_;
    std::size_t mark_at_ = 0;
    bool overflow_ = false;  // the rest of the command is dropped,
    std::string tail_;       // but for the end of its last line, which may announce a literal
};

}  // namespace posthorn::imap
