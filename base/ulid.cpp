#include "base/ulid.hpp"

#include "base/int128.hpp"

namespace posthorn::base {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

int digit(char c) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    const auto at = kAlphabet.find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

void put_time(Ulid& id, WallTime at) {
    const auto ms = static_cast<std::uint64_t>(to_ms(at));
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
}

// SplitMix64's finaliser: enough to spread a counter over 64 bits without a dependency.
std::uint64_t mix(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
}

}  // namespace

std::string Ulid::to_string() const {
    // 128 bits in 26 digits of 5: the first digit carries only 3.
    uint128 value = 0;
    for (const auto byte : bytes) value = (value << 8) | byte;
    std::string text(26, '0');
    for (std::size_t i = 26; i-- > 0; value >>= 5) text[i] = kAlphabet[static_cast<std::size_t>(value & 31U)];
    return text;
}

std::optional<Ulid> Ulid::parse(std::string_view text) {
    if (text.size() != 26 || digit(text[0]) > 7) return std::nullopt;
    uint128 value = 0;
    for (const char c : text) {
        const int d = digit(c);
        if (d < 0) return std::nullopt;
        value = (value << 5) | static_cast<unsigned>(d);
    }
    Ulid id;
    for (std::size_t i = 16; i-- > 0; value >>= 8) id.bytes[i] = static_cast<std::uint8_t>(value);
    return id;
}

WallTime Ulid::time() const {
    std::int64_t ms = 0;
    for (std::size_t i = 0; i < 6; ++i) ms = (ms << 8) | bytes[i];
    return from_ms(ms);
}

Ulid Ulid::child(std::uint32_t counter) const {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        high = (high << 8) | bytes[i];
        low = (low << 8) | bytes[i + 8];
    }
    const std::uint64_t a = mix(high ^ mix(low + counter));
    const std::uint64_t b = mix(a ^ low);
    Ulid id;
    put_time(id, time());
    for (std::size_t i = 0; i < 8; ++i) id.bytes[8 + i] = static_cast<std::uint8_t>(a >> (56 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(b >> 8);
    id.bytes[7] = static_cast<std::uint8_t>(b);
    return id;
}

Ulid UlidSource::next() {
    Ulid id;
    put_time(id, clock_.wall());
    const std::uint64_t a = random_.next();
    const std::uint64_t b = random_.next();
    for (std::size_t i = 0; i < 8; ++i) id.bytes[8 + i] = static_cast<std::uint8_t>(a >> (56 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(b >> 8);
    id.bytes[7] = static_cast<std::uint8_t>(b);
    if (id <= last_) {
        // Same millisecond, or the clock went back: count up from the last one.
        id = last_;
        for (std::size_t i = 16; i-- > 0;)
            if (++id.bytes[i] != 0) break;
    }
    return last_ = id;
}

}  // namespace posthorn::base
