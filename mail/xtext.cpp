#include "mail/xtext.hpp"

#include <cstdint>

#include "base/ascii.hpp"
#include "base/utf8.hpp"

namespace posthorn::mail {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

bool xchar(char c) { return c > ' ' && c <= '~' && c != '+' && c != '='; }

// RFC 6533 §3 QCHAR: xchar without the backslash that opens an embedded character.
bool qchar(char c) { return xchar(c) && c != '\\'; }

std::uint32_t code_point(std::string_view sequence) {
    const auto lead = static_cast<unsigned char>(sequence[0]);
    if (sequence.size() == 1) return lead;
    std::uint32_t value = lead & (0x7FU >> sequence.size());
    for (const char c : sequence.substr(1)) value = (value << 6) | (static_cast<unsigned char>(c) & 0x3FU);
    return value;
}

void append_utf8(std::string& out, std::uint32_t value) {
    const auto put = [&out](std::uint32_t octet) { out += static_cast<char>(octet); };
    if (value < 0x80) return put(value);
    if (value < 0x800) {
        put(0xC0 | (value >> 6));
    } else if (value < 0x10000) {
        put(0xE0 | (value >> 12));
        put(0x80 | ((value >> 6) & 0x3F));
    } else {
        put(0xF0 | (value >> 18));
        put(0x80 | ((value >> 12) & 0x3F));
        put(0x80 | ((value >> 6) & 0x3F));
    }
    put(0x80 | (value & 0x3F));
}

void append_embedded(std::string& out, std::uint32_t value) {
    std::string digits;
    do digits.insert(digits.begin(), kHex[value & 0xFU]);
    while ((value >>= 4) != 0);
    if (digits.size() < 2) digits.insert(digits.begin(), '0');
    ((out += "\\x{") += digits) += '}';
}

// "\x{HEX}" at text[at]; moves past it. RFC 6533 §3: EmbeddedUnicodeChar, 2 to 6 digits.
bool embedded(std::string_view text, std::size_t& at, std::string& out) {
    if (text.substr(at, 3) != "\\x{") return false;
    std::uint32_t value = 0;
    std::size_t end = at + 3;
    for (; end < text.size() && base::hex_digit(text[end]) >= 0; ++end) {
        if (end - at > 8) return false;
        value = (value << 4) | static_cast<std::uint32_t>(base::hex_digit(text[end]));
    }
    const auto digits = end - at - 3;
    if (digits < 2 || digits > 6 || end == text.size() || text[end] != '}') return false;
    if (value == 0 || value > 0x10FFFF) return false;
    append_utf8(out, value);
    at = end + 1;
    return true;
}

}  // namespace

std::string xtext_encode(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (xchar(c)) {
            out += c;
            continue;
        }
        const auto octet = static_cast<unsigned char>(c);
        ((out += '+') += kHex[octet >> 4]) += kHex[octet & 0xFU];
    }
    return out;
}

std::optional<std::string> xtext_decode(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (xchar(text[at])) {
            out += text[at];
            continue;
        }
        if (text[at] != '+' || at + 2 >= text.size()) return std::nullopt;
        const int high = base::hex_digit(text[at + 1]);
        const int low = base::hex_digit(text[at + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        at += 2;
    }
    return out;
}

std::string utf8_addr_xtext_encode(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto length = base::utf8_length(text, at);
        if (length == 0) {  // not UTF-8: cannot be said in this form; the replacement character stands for it
            append_embedded(out, 0xFFFD);
            ++at;
            continue;
        }
        if (length == 1 && qchar(text[at])) {
            out += text[at];
        } else {
            append_embedded(out, code_point(text.substr(at, length)));
        }
        at += length;
    }
    return out;
}

std::optional<std::string> utf8_addr_decode(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (!base::is_ascii(text[at]) || qchar(text[at])) {
            out += text[at++];
        } else if (!embedded(text, at, out)) {
            return std::nullopt;
        }
    }
    if (!base::valid_utf8(out)) return std::nullopt;
    return out;
}

std::optional<OriginalRecipient> parse_orcpt(std::string_view value) {
    const auto semicolon = value.find(';');
    if (semicolon == std::string_view::npos || semicolon == 0 || semicolon + 1 == value.size()) return std::nullopt;
    OriginalRecipient original{std::string(value.substr(0, semicolon)), {}};
    for (const char c : original.type) {
        if (!base::is_alnum(c) && c != '-') return std::nullopt;
    }
    const auto rest = value.substr(semicolon + 1);
    auto decoded = base::iequals(original.type, "utf-8") ? utf8_addr_decode(rest) : xtext_decode(rest);
    if (!decoded) return std::nullopt;
    original.address = std::move(*decoded);
    return original;
}

bool esmtp_value(std::string_view value, bool utf8) {
    for (const char c : value) {
        if (base::is_ascii(c) && (c <= ' ' || c > '~' || c == '=')) return false;
    }
    return base::is_ascii(value) || (utf8 && base::valid_utf8(value));
}

}  // namespace posthorn::mail
