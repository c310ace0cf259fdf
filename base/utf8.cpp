#include "base/utf8.hpp"

#include <algorithm>

namespace posthorn::base {
namespace {

unsigned octet(std::string_view text, std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
}

bool in(unsigned value, unsigned low, unsigned high) { return value >= low && value <= high; }

bool control(std::string_view text, std::size_t at, std::size_t length) {
    const unsigned first = octet(text, at);
    if (length == 1) return first < 0x20 || first == 0x7F;
    return length == 2 && first == 0xC2 && octet(text, at + 1) < 0xA0;
}

// Octets from text[at] on that are printable ASCII: what most text is made of.
std::size_t plain_run(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && text[end] >= 0x20 && text[end] < 0x7F) ++end;
    return end - at;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
    const unsigned a = octet(text, at);
    const unsigned b = octet(text, at + 1);
    if (a < 0x80) return 1;
    if (in(a, 0xC2, 0xDF)) return in(b, 0x80, 0xBF) ? 2 : 0;
    const bool third = in(octet(text, at + 2), 0x80, 0xBF);
    if (in(a, 0xE0, 0xEF)) {
        const unsigned low = a == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = a == 0xED ? 0x9F : 0xBF;
        return in(b, low, high) && third ? 3 : 0;
    }
    if (in(a, 0xF0, 0xF4)) {
        const unsigned low = a == 0xF0 ? 0x90 : 0x80;
        const unsigned high = a == 0xF4 ? 0x8F : 0xBF;
        return in(b, low, high) && third && in(octet(text, at + 3), 0x80, 0xBF) ? 4 : 0;
    }
    return 0;
}

bool valid_utf8(std::string_view text) {
    for (std::size_t at = plain_run(text, 0); at < text.size(); at += plain_run(text, at)) {
        const auto length = utf8_length(text, at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

std::string printable(std::string_view text, std::size_t max) {
    std::string out;
    bool gap = false;
    for (std::size_t at = 0; at < text.size();) {
        if (const auto plain = plain_run(text, at); plain > 0 && !gap) {
            const auto kept = std::min(plain, max - std::min(max, out.size()));
            out += text.substr(at, kept);
            at += plain;
            if (kept < plain) break;
            continue;
        }
        const auto length = utf8_length(text, at);
        if (length != 0 && control(text, at, length)) {
            gap = true;
            at += length;
            continue;
        }
        const auto piece = length == 0 ? std::string_view("?") : text.substr(at, length);
        const bool space = gap && !out.empty();
        if (out.size() + piece.size() + (space ? 1 : 0) > max) break;
        if (space) out += ' ';
        gap = false;
        out += piece;
        at += length == 0 ? 1 : length;
    }
    return out;
}

}  // namespace posthorn::base
