#include "proto/smtp/text_decoder.hpp"

#include <cstring>

namespace posthorn::smtp {
namespace {

constexpr std::string_view kCrlf = "\r\n";

const char* find(const char* from, const char* to, char what) {
    return static_cast<const char*>(std::memchr(from, what, static_cast<std::size_t>(to - from)));
}

std::size_t distance(const char* from, const char* to) { return static_cast<std::size_t>(to - from); }

struct Octets {
    bool nul = false;
    bool eight_bit = false;
};

// Eight octets a step.
Octets inspect(std::string_view bytes) {
    constexpr std::uint64_t ones = 0x0101010101010101;
    constexpr std::uint64_t highs = ones << 7;
    std::uint64_t any = 0;
    std::uint64_t zero = 0;
    const char* p = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; p += 8, left -= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, 8);
        any |= word;
        zero |= (word - ones) & ~word;  // sets the high bit of a zero octet; a false alarm needs a zero below it
    }
    Octets out{.nul = (zero & highs) != 0, .eight_bit = (any & highs) != 0};
    for (; left > 0; ++p, --left) {
        out.nul |= *p == '\0';
        out.eight_bit |= (*p & 0x80) != 0;
    }
    return out;
}

}  // namespace

void TextDecoder::fail(TextFault fault) {
    if (fault_ == TextFault::none) fault_ = fault;
}

std::string_view TextDecoder::emit(std::string_view body) {
    if (fault_ != TextFault::none || body.empty()) return {};
    const auto octets = inspect(body);
    eight_bit_ |= octets.eight_bit;
    if (octets.nul) {
        fail(TextFault::nul);
        return {};
    }
    return body;
}

void TextDecoder::count_line(std::size_t octets) {
    line_octets_ += octets;
    if (line_octets_ > limits_.max_line) fail(TextFault::line_too_long);
}

// A line ended: `hard` with CRLF, else with what is taken for one (whose CRLF is ours).
TextDecoder::Piece TextDecoder::newline(bool hard) {
    line_start_ = true;
    after_crlf_ = hard;
    line_octets_ = 0;
    return {.body = fault_ == TextFault::none ? kCrlf : std::string_view{}};
}

TextDecoder::Piece TextDecoder::next(std::string_view& input) {
    if (framing_ == Framing::binary) {
        const auto body = input;
        input = {};
        return {.body = body};
    }
    if (owes_newline_) {
        owes_newline_ = false;
        return newline(false);
    }
    if (input.empty()) return {};
    if (held_ != Held::nothing) return resume(input);
    return scan(input);
}

TextDecoder::Piece TextDecoder::finish() {
    if (owes_newline_) {
        owes_newline_ = false;
        return newline(false);
    }
    if (held_ != Held::cr) return {};
    held_ = Held::nothing;
    std::string_view none;
    return bare(none, 0, 0);
}

// The first octet of `input` decides what the held ones were.
TextDecoder::Piece TextDecoder::resume(std::string_view& input) {
    const bool lf = input.front() == '\n';
    if (held_ == Held::dot) {
        if (input.front() == '\r') {
            input.remove_prefix(1);
            held_ = Held::dot_cr;
            return {};
        }
        held_ = Held::nothing;  // the dot was stuffing
        line_start_ = false;
        return scan(input);
    }
    const bool end = held_ == Held::dot_cr && lf && after_crlf_;
    held_ = Held::nothing;
    if (!lf) return bare(input, 0, 0);  // the CR stood alone; what came now begins a new line
    input.remove_prefix(1);
    if (end) return {.body = {}, .end = true};
    count_line(1);
    return newline(true);
}

// A bare CR or LF: `before` octets of `input` go out ahead of it, `skip` octets are the newline itself.
TextDecoder::Piece TextDecoder::bare(std::string_view& input, std::size_t before, std::size_t skip) {
    const auto text = emit(input.substr(0, before));
    input.remove_prefix(before + skip);
    if (limits_.bare_newline == BareNewline::reject) fail(TextFault::bare_newline);
    if (text.empty()) return newline(false);
    owes_newline_ = true;
    return {.body = text};
}

TextDecoder::Piece TextDecoder::scan(std::string_view& input) {
    const char* const begin = input.data();
    const char* const end = begin + input.size();
    const char* line = begin;
    while (line != end) {
        if (line_start_ && framing_ == Framing::data && *line == '.') {
            // What stands before the dot goes out first.
            const auto text = emit(input.substr(0, distance(begin, line)));
            input.remove_prefix(distance(begin, line) + 1);
            held_ = Held::dot;
            return {.body = text};
        }
        const char* const lf = find(line, end, '\n');
        if (!lf) return partial_line(input, line);
        const bool crlf = lf != line && lf[-1] == '\r' && find(line, lf, '\r') == lf - 1;
        if (!crlf) return odd_line(input, line, lf);
        count_line(distance(line, lf) + 1);
        line_octets_ = 0;
        line_start_ = true;
        after_crlf_ = true;
        line = lf + 1;
    }
    const auto text = emit(input);
    input = {};
    return {.body = text};
}

// The line that ends at `lf` holds a bare CR, or `lf` is bare itself.
TextDecoder::Piece TextDecoder::odd_line(std::string_view& input, const char* line, const char* lf) {
    const char* const cr = find(line, lf, '\r');
    const char* const stop = cr ? cr : lf;
    count_line(distance(line, stop));
    return bare(input, distance(input.data(), stop), 1);
}

// No LF in what is left: all of it goes out but a CR at the end, whose LF may follow.
TextDecoder::Piece TextDecoder::partial_line(std::string_view& input, const char* line) {
    const char* const end = input.data() + input.size();
    const char* const cr = find(line, end, '\r');
    if (cr && cr != end - 1) {
        count_line(distance(line, cr));
        return bare(input, distance(input.data(), cr), 1);
    }
    count_line(distance(line, end));
    if (line != end) line_start_ = false;
    const auto text = emit(input.substr(0, distance(input.data(), cr ? cr : end)));
    if (cr) held_ = Held::cr;
    input = {};
    return {.body = text};
}

}  // namespace posthorn::smtp
