#include "base/msgpack.hpp"

#include <bit>
#include <limits>

namespace posthorn::base {
namespace {

unsigned char first(std::string_view bytes) { return bytes.empty() ? 0xC1 : static_cast<unsigned char>(bytes[0]); }

float as_float(std::uint64_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }

}  // namespace

void MsgpackWriter::fixed(char tag, std::uint64_t value, std::size_t octets) {
    out_ += tag;
    for (std::size_t i = octets; i-- > 0;) out_ += static_cast<char>(value >> (8 * i));
}

void MsgpackWriter::uinteger(std::uint64_t value) {
    if (value < 0x80) {
        out_ += static_cast<char>(value);
    } else if (value <= 0xFF) {
        fixed('\xCC', value, 1);
    } else if (value <= 0xFFFF) {
        fixed('\xCD', value, 2);
    } else if (value <= 0xFFFFFFFF) {
        fixed('\xCE', value, 4);
    } else {
        fixed('\xCF', value, 8);
    }
}

void MsgpackWriter::integer(std::int64_t value) {
    if (value >= 0) return uinteger(static_cast<std::uint64_t>(value));
    const auto bits = static_cast<std::uint64_t>(value);
    if (value >= -32) {
        out_ += static_cast<char>(value);
    } else if (value >= std::numeric_limits<std::int8_t>::min()) {
        fixed('\xD0', bits, 1);
    } else if (value >= std::numeric_limits<std::int16_t>::min()) {
        fixed('\xD1', bits, 2);
    } else if (value >= std::numeric_limits<std::int32_t>::min()) {
        fixed('\xD2', bits, 4);
    } else {
        fixed('\xD3', bits, 8);
    }
}

void MsgpackWriter::number(double value) { fixed('\xCB', std::bit_cast<std::uint64_t>(value), 8); }

void MsgpackWriter::length(std::size_t size, char tag8, char tag16, char tag32) {
    if (tag8 != 0 && size <= 0xFF) {
        fixed(tag8, size, 1);
    } else if (size <= 0xFFFF) {
        fixed(tag16, size, 2);
    } else {
        fixed(tag32, size, 4);
    }
}

void MsgpackWriter::str(std::string_view text) {
    if (text.size() < 32) {
        out_ += static_cast<char>(0xA0 | text.size());
    } else {
        length(text.size(), '\xD9', '\xDA', '\xDB');
    }
    out_ += text;
}

void MsgpackWriter::bin(std::string_view bytes) {
    length(bytes.size(), '\xC4', '\xC5', '\xC6');
    out_ += bytes;
}

void MsgpackWriter::array(std::size_t count) {
    if (count < 16) {
        out_ += static_cast<char>(0x90 | count);
    } else {
        length(count, 0, '\xDC', '\xDD');
    }
}

void MsgpackWriter::map(std::size_t count) {
    if (count < 16) {
        out_ += static_cast<char>(0x80 | count);
    } else {
        length(count, 0, '\xDE', '\xDF');
    }
}

bool MsgpackReader::fail() {
    failed_ = true;
    return false;
}

bool MsgpackReader::tag(unsigned char& value) {
    if (failed_ || rest_.empty()) return fail();
    value = first(rest_);
    rest_.remove_prefix(1);
    return true;
}

bool MsgpackReader::fixed(std::size_t octets, std::uint64_t& value) {
    if (failed_ || rest_.size() < octets) return fail();
    value = 0;
    for (std::size_t i = 0; i < octets; ++i) value = (value << 8) | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(octets);
    return true;
}

bool MsgpackReader::take(std::size_t size, std::string_view& bytes) {
    if (failed_ || rest_.size() < size) return fail();
    bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
}

MsgpackReader::Type MsgpackReader::peek() const {
    if (failed_) return Type::other;
    const auto t = first(rest_);
    if (t < 0x80 || t >= 0xE0 || (t >= 0xCC && t <= 0xD3)) return Type::integer;
    if (t < 0x90 || t == 0xDE || t == 0xDF) return Type::map;
    if (t < 0xA0 || t == 0xDC || t == 0xDD) return Type::array;
    if (t < 0xC0 || (t >= 0xD9 && t <= 0xDB)) return Type::str;
    if (t == 0xC0) return Type::nil;
    if (t == 0xC2 || t == 0xC3) return Type::boolean;
    if (t >= 0xC4 && t <= 0xC6) return Type::bin;
    if (t == 0xCA || t == 0xCB) return Type::number;
    return Type::other;
}

bool MsgpackReader::nil() {
    unsigned char t = 0;
    return tag(t) && (t == 0xC0 || fail());
}

bool MsgpackReader::boolean(bool& value) {
    unsigned char t = 0;
    if (!tag(t) || (t != 0xC2 && t != 0xC3)) return fail();
    value = t == 0xC3;
    return true;
}

bool MsgpackReader::uinteger(std::uint64_t& value) {
    unsigned char t = 0;
    if (!tag(t)) return false;
    if (t < 0x80) {
        value = t;
        return true;
    }
    if (t >= 0xCC && t <= 0xCF) return fixed(std::size_t{1} << (t - 0xCC), value);
    return fail();
}

bool MsgpackReader::integer(std::int64_t& value) {
    const auto t = first(rest_);
    std::uint64_t bits = 0;
    if (!failed_ && t >= 0xE0) {
        value = std::int64_t{t} - 0x100;
        rest_.remove_prefix(1);
        return true;
    }
    if (!failed_ && t >= 0xD0 && t <= 0xD3) {
        rest_.remove_prefix(1);
        const std::size_t octets = std::size_t{1} << (t - 0xD0);
        if (!fixed(octets, bits)) return false;
        const auto shift = 8 * (8 - octets);
        value = static_cast<std::int64_t>(bits << shift) >> shift;  // sign-extends
        return true;
    }
    if (!uinteger(bits) || bits > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return fail();
    value = static_cast<std::int64_t>(bits);
    return true;
}

bool MsgpackReader::number(double& value) {
    if (peek() == Type::integer && first(rest_) < 0xD0) {
        std::uint64_t whole = 0;
        if (!uinteger(whole)) return false;
        value = static_cast<double>(whole);
        return true;
    }
    if (peek() == Type::integer) {
        std::int64_t whole = 0;
        if (!integer(whole)) return false;
        value = static_cast<double>(whole);
        return true;
    }
    unsigned char t = 0;
    std::uint64_t bits = 0;
    if (!tag(t) || (t != 0xCA && t != 0xCB)) return fail();
    if (!fixed(t == 0xCA ? 4 : 8, bits)) return false;
    value = t == 0xCA ? static_cast<double>(as_float(bits)) : std::bit_cast<double>(bits);
    return true;
}

bool MsgpackReader::str(std::string_view& text) {
    unsigned char t = 0;
    std::uint64_t size = 0;
    if (!tag(t)) return false;
    if (t >= 0xA0 && t < 0xC0) return take(t & 0x1FU, text);
    if (t < 0xD9 || t > 0xDB) return fail();
    return fixed(std::size_t{1} << (t - 0xD9), size) && take(size, text);
}

bool MsgpackReader::str(std::string& text) {
    std::string_view view;
    if (!str(view)) return false;
    text = view;
    return true;
}

bool MsgpackReader::bin(std::string_view& bytes) {
    unsigned char t = 0;
    std::uint64_t size = 0;
    if (!tag(t)) return false;
    if (t < 0xC4 || t > 0xC6) return fail();
    return fixed(std::size_t{1} << (t - 0xC4), size) && take(size, bytes);
}

bool MsgpackReader::array(std::size_t& count) {
    unsigned char t = 0;
    std::uint64_t value = 0;
    if (!tag(t)) return false;
    if (t >= 0x90 && t < 0xA0) {
        value = t & 0x0FU;
    } else if (t == 0xDC || t == 0xDD) {
        if (!fixed(t == 0xDC ? 2 : 4, value)) return false;
    } else {
        return fail();
    }
    count = value;
    return count <= rest_.size() || fail();
}

bool MsgpackReader::map(std::size_t& count) {
    unsigned char t = 0;
    std::uint64_t value = 0;
    if (!tag(t)) return false;
    if (t >= 0x80 && t < 0x90) {
        value = t & 0x0FU;
    } else if (t == 0xDE || t == 0xDF) {
        if (!fixed(t == 0xDE ? 2 : 4, value)) return false;
    } else {
        return fail();
    }
    count = value;
    return count <= rest_.size() / 2 || fail();
}

// Passes over one value's own octets; `values` is how many values follow inside it.
bool MsgpackReader::skip_one(std::uint64_t& values) {
    std::string_view ignored;
    std::size_t count = 0;
    values = 0;
    switch (peek()) {
        case Type::nil: return nil();
        case Type::str: return str(ignored);
        case Type::bin: return bin(ignored);
        case Type::array:
            if (!array(count)) return false;
            values = count;
            return true;
        case Type::map:
            if (!map(count)) return false;
            values = 2 * std::uint64_t{count};
            return true;
        default: break;
    }
    unsigned char t = 0;
    if (!tag(t)) return false;
    if (t < 0x80 || t >= 0xE0 || t == 0xC2 || t == 0xC3) return true;
    std::uint64_t size = 0;
    if (t == 0xCA || t == 0xCB) return take(t == 0xCA ? 4 : 8, ignored);
    if (t >= 0xCC && t <= 0xD3) return take(std::size_t{1} << ((t - 0xCC) % 4), ignored);
    if (t >= 0xD4 && t <= 0xD8) return take(1 + (std::size_t{1} << (t - 0xD4)), ignored);
    if (t >= 0xC7 && t <= 0xC9) return fixed(std::size_t{1} << (t - 0xC7), size) && take(size + 1, ignored);
    return fail();
}

bool MsgpackReader::skip() {
    std::uint64_t open[kMaxDepth] = {1};
    for (int depth = 0; depth >= 0;) {
        if (open[depth] == 0) {
            --depth;
            continue;
        }
        --open[depth];
        std::uint64_t inside = 0;
        if (!skip_one(inside)) return false;
        if (inside == 0) continue;
        if (++depth == kMaxDepth) return fail();
        open[depth] = inside;
    }
    return true;
}

}  // namespace posthorn::base
