#include "base/json.hpp"

#include <charconv>
#include <cmath>

#include "base/utf8.hpp"

namespace posthorn::base {
namespace {

// Octets at the start that stand for themselves.
std::size_t verbatim(std::string_view text) {
    std::size_t end = 0;
    for (; end < text.size(); ++end) {
        const auto octet = static_cast<unsigned char>(text[end]);
        if (octet < 0x20 || octet >= 0x7F || octet == '"' || octet == '\\') break;
    }
    return end;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    for (;;) {
        const auto run = verbatim(text);
        out.append(text.substr(0, run));
        text.remove_prefix(run);
        if (text.empty()) break;
        const auto size = utf8_length(text, 0);
        const char c = text[0];
        if (size == 0) {
            out += "\\ufffd";
            text.remove_prefix(1);
            continue;
        }
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            out += "\\u00";
            out += kHex[static_cast<unsigned char>(c) >> 4U];
            out += kHex[static_cast<unsigned char>(c) & 15U];
        } else if (size == 2 && c == '\xC2' &&
                   static_cast<unsigned char>(text[1]) < 0xA0) {  // C1: terminals obey them
            out += "\\u00";
            out += kHex[static_cast<unsigned char>(text[1]) >> 4U];
            out += kHex[static_cast<unsigned char>(text[1]) & 15U];
        } else {
            out.append(text.substr(0, size));
        }
        text.remove_prefix(size);
    }
    out += '"';
}

void JsonWriter::separate() {
    if (!fresh_) text_ += ',';
    fresh_ = false;
}

JsonWriter& JsonWriter::open(char opening, char closing) {
    separate();
    text_ += opening;
    closers_ += closing;
    fresh_ = true;
    return *this;
}

JsonWriter& JsonWriter::end() {
    text_ += closers_.back();
    closers_.pop_back();
    fresh_ = false;
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    append_json_string(text_, name);
    text_ += ':';
    fresh_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    append_json_string(text_, text);
    return *this;
}

JsonWriter& JsonWriter::value(double number) {
    if (!std::isfinite(number)) return null();
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    return raw({text, static_cast<std::size_t>(end - text)});
}

JsonWriter& JsonWriter::raw(std::string_view text) {
    separate();
    text_ += text;
    return *this;
}

}  // namespace posthorn::base
