// From the wire to a message's octets: takes dot-stuffing away, finds the end of DATA, holds lines to CRLF and to
// their length. Whole runs of good lines pass as one view into the input: no copy, no work per octet.
//
// Only CRLF "." CRLF ends DATA (RFC 5321 §4.1.1.4). A bare CR or LF never counts as half of it, whatever becomes of
// it as text: this is what keeps a second message from being smuggled in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace posthorn::smtp {

// What a bare CR or LF in a message's text means: refuse the message, or take it as CRLF.
enum class BareNewline : std::uint8_t { reject, normalise };

enum class TextFault : std::uint8_t { none, bare_newline, nul, line_too_long };

class TextDecoder {
public:
    enum class Framing : std::uint8_t {
        data,    // dot-stuffed, ends itself
        chunks,  // BDAT with text: the same rules for lines, no dots; the caller knows the end
        binary,  // BDAT with BODY=BINARYMIME: octets
    };
    struct Limits {
        BareNewline bare_newline = BareNewline::reject;
        std::size_t max_line = 1000;  // octets on the wire with CRLF, the stuffed dot not counted
    };

    TextDecoder(Framing framing, Limits limits) : framing_(framing), limits_(limits) {}

    struct Piece {
        std::string_view body;  // into the input, or static; may be empty
        bool end = false;       // DATA: the final dot was read; `input` starts behind it
    };

    // Takes from the front of `input`; call until it is empty or `end`. After a fault bodies are empty, but the
    // end is still found, so that the reply goes out where it belongs.
    Piece next(std::string_view& input);

    // chunks: the last chunk is over; gives what was held back.
    Piece finish();

    TextFault fault() const { return fault_; }
    bool eight_bit() const { return eight_bit_; }  // an octet above 127 went by

private:
    enum class Held : std::uint8_t { nothing, dot, dot_cr, cr };

    Piece resume(std::string_view& input);
    Piece scan(std::string_view& input);
    Piece odd_line(std::string_view& input, const char* line, const char* newline);
    Piece partial_line(std::string_view& input, const char* line);
    Piece bare(std::string_view& input, std::size_t before, std::size_t skip);
    Piece newline(bool hard);
    std::string_view emit(std::string_view body);
    void fail(TextFault fault);
    void count_line(std::size_t octets);

    Framing framing_;
    Limits limits_;
    TextFault fault_ = TextFault::none;
    bool eight_bit_ = false;
    Held held_ = Held::nothing;  // octets at the end of the last input whose meaning the next one decides
    bool owes_newline_ = false;  // normalise: a CRLF is to go out next
    bool line_start_ = true;
    bool after_crlf_ = true;       // the line before ended with CRLF, not with a bare newline
    std::size_t line_octets_ = 0;  // of the line at hand, seen so far
};

}  // namespace posthorn::smtp
