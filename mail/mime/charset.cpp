#include "mail/mime/charset.hpp"

#include <unicode/ucnv.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "base/ascii.hpp"
#include "base/utf8.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Close {
    void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, Close>;

// Names of the alias table alone: ICU would look for files, and obey options, in others.
Converter open(std::string_view charset) {
    const bool plain = !charset.empty() && charset.size() <= kMaxName && std::ranges::all_of(charset, [](char c) {
        return base::is_alnum(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == '+';
    });
    if (!plain) return nullptr;
    const std::string name(charset);
    UErrorCode status = U_ZERO_ERROR;
    if (ucnv_countAliases(name.c_str(), &status) == 0 || U_FAILURE(status)) return nullptr;
    Converter converter(ucnv_open(name.c_str(), &status));
    return U_FAILURE(status) ? nullptr : std::move(converter);
}

void append_utf8(std::string& out, char32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | (c >> 6));
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xE0 | (c >> 12));
        out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else {
        out += static_cast<char>(0xF0 | (c >> 18));
        out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
        out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    }
}

class Utf16Reader {
public:
    explicit Utf16Reader(std::string& out) : out_(out) {}

    void take(UChar unit) {
        const bool low = unit >= 0xDC00 && unit <= 0xDFFF;
        if (high_ != 0) {
            if (low) {
                append_utf8(out_, 0x10000 + ((static_cast<char32_t>(high_) - 0xD800) << 10) + (unit - 0xDC00U));
                high_ = 0;
                return;
            }
            out_ += kReplacement;
            high_ = 0;
        }
        if (unit >= 0xD800 && unit <= 0xDBFF)
            high_ = unit;
        else if (low)
            out_ += kReplacement;
        else
            append_utf8(out_, unit);
    }

private:
    std::string& out_;
    UChar high_ = 0;
};

std::string convert(UConverter* converter, std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() + bytes.size() / 2);
    Utf16Reader reader(out);
    std::array<UChar, 1024> units{};
    const char* from = bytes.data();
    const char* const end = from + bytes.size();
    while (true) {
        UErrorCode status = U_ZERO_ERROR;
        UChar* to = units.data();
        ucnv_toUnicode(converter, &to, units.data() + units.size(), &from, end, nullptr, 1, &status);
        for (const UChar* unit = units.data(); unit != to; ++unit) reader.take(*unit);
        if (status != U_BUFFER_OVERFLOW_ERROR) break;
    }
    return out;
}

std::string repair_utf8(std::string_view bytes) {
    if (base::valid_utf8(bytes)) return std::string(bytes);
    std::string out;
    out.reserve(bytes.size());
    for (std::size_t at = 0; at < bytes.size();) {
        const auto length = base::utf8_length(bytes, at);
        out += length == 0 ? kReplacement : bytes.substr(at, length);
        at += std::max<std::size_t>(1, length);
    }
    return out;
}

bool is_ascii_name(std::string_view charset) {
    return charset.empty() || base::iequals(charset, "us-ascii") || base::iequals(charset, "ascii");
}

}  // namespace

bool known_charset(std::string_view charset) { return is_ascii_name(charset) || open(charset) != nullptr; }

std::string to_utf8(std::string_view charset, std::string_view bytes) {
    if (base::iequals(charset, "utf-8") || base::iequals(charset, "utf8")) return repair_utf8(bytes);
    if (!is_ascii_name(charset)) {
        if (const auto converter = open(charset)) return convert(converter.get(), bytes);
    }
    if (base::valid_utf8(bytes)) return std::string(bytes);
    const auto windows = open("windows-1252");
    return windows ? convert(windows.get(), bytes) : repair_utf8(bytes);
}

}  // namespace posthorn::mail
