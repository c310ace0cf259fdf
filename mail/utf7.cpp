#include "mail/utf7.hpp"

#include <array>
#include <cstdint>

#include "base/ascii.hpp"
#include "base/utf8.hpp"

namespace posthorn::mail {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

int value_of(char c) {
    const auto at = kAlphabet.find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

// The character at `at`, which moves behind it; `text` is valid UTF-8.
char32_t take_character(std::string_view text, std::size_t& at) {
    const auto length = base::utf8_length(text, at);
    const auto lead = static_cast<unsigned char>(text[at]);
    char32_t c = length == 1 ? lead : lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) c = (c << 6U) | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
    at += length == 0 ? 1 : length;
    return c;
}

void put_utf8(std::string& out, char32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0U | (c >> 6U));
        out += static_cast<char>(0x80U | (c & 0x3FU));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xE0U | (c >> 12U));
        out += static_cast<char>(0x80U | ((c >> 6U) & 0x3FU));
        out += static_cast<char>(0x80U | (c & 0x3FU));
    } else {
        out += static_cast<char>(0xF0U | (c >> 18U));
        out += static_cast<char>(0x80U | ((c >> 12U) & 0x3FU));
        out += static_cast<char>(0x80U | ((c >> 6U) & 0x3FU));
        out += static_cast<char>(0x80U | (c & 0x3FU));
    }
}

// UTF-16 units as Base64 without padding.
class Shift {
public:
    explicit Shift(std::string& out) : out_(out) { out_ += '&'; }
    void put(char32_t c) {
        if (c >= 0x10000) {
            unit(0xD800 + ((c - 0x10000) >> 10U));
            unit(0xDC00 + ((c - 0x10000) & 0x3FFU));
        } else {
            unit(c);
        }
    }
    void end() {
        if (count_ > 0) out_ += kAlphabet[(bits_ << (6 - count_)) & 0x3FU];
        out_ += '-';
    }

private:
    void unit(char32_t value) {
        bits_ = (bits_ << 16U) | value;
        count_ += 16;
        while (count_ >= 6) {
            count_ -= 6;
            out_ += kAlphabet[(bits_ >> count_) & 0x3FU];
        }
        bits_ &= (1U << count_) - 1;
    }
    std::string& out_;
    std::uint32_t bits_ = 0;
    unsigned count_ = 0;
};

// What stands between '&' and '-'. False: it is no UTF-16, or could have been written plainly.
bool decode_shifted(std::string_view text, std::string_view also, std::string& out) {
    std::uint32_t bits = 0;
    unsigned count = 0;
    char32_t high = 0;
    for (const char c : text) {
        const int value = value_of(c);
        if (value < 0) return false;
        bits = (bits << 6U) | static_cast<unsigned>(value);
        count += 6;
        if (count < 16) continue;
        count -= 16;
        const char32_t unit = (bits >> count) & 0xFFFFU;
        bits &= (1U << count) - 1;
        if (high != 0) {
            if (unit < 0xDC00 || unit > 0xDFFF) return false;
            put_utf8(out, 0x10000 + ((high - 0xD800) << 10U) + (unit - 0xDC00));
            high = 0;
        } else if (unit >= 0xD800 && unit <= 0xDBFF) {
            high = unit;
        } else if (unit >= 0xDC00 && unit <= 0xDFFF) {
            return false;
        } else if (unit >= ' ' && unit <= '~' && also.find(static_cast<char>(unit)) == std::string_view::npos) {
            return false;
        } else {
            put_utf8(out, unit);
        }
    }
    return high == 0 && count < 6 && bits == 0;
}

}  // namespace

std::string encode_utf7(std::string_view utf8, std::string_view also) {
    const auto plain = [&](char c) { return base::is_print(c) && also.find(c) == std::string_view::npos; };
    std::string out;
    for (std::size_t at = 0; at < utf8.size();) {
        if (utf8[at] == '&') {
            out += "&-";
            ++at;
        } else if (plain(utf8[at])) {
            out += utf8[at++];
        } else {
            Shift shift(out);
            while (at < utf8.size() && !plain(utf8[at])) shift.put(take_character(utf8, at));
            shift.end();
        }
    }
    return out;
}

std::optional<std::string> decode_utf7(std::string_view text, std::string_view also) {
    if (!base::is_ascii(text)) {
        if (!base::valid_utf8(text)) return std::nullopt;
        return std::string(text);
    }
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '&') {
            out += text[at];
            continue;
        }
        const auto end = text.find('-', at);
        if (end == std::string_view::npos) return std::nullopt;
        const auto shifted = text.substr(at + 1, end - at - 1);
        if (shifted.empty()) {
            out += '&';
        } else if (!decode_shifted(shifted, also, out)) {
            return std::nullopt;
        }
        at = end;
    }
    return out;
}

}  // namespace posthorn::mail
