// A message's name for its whole life: 48 bits of milliseconds, 80 of randomness, sorted by time.
// In text: 26 characters of Crockford's base32, upper case.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/random.hpp"

namespace posthorn::base {

struct Ulid {
    std::array<std::uint8_t, 16> bytes{};

    std::string to_string() const;
    static std::optional<Ulid> parse(std::string_view text);  // case-insensitive
    WallTime time() const;
    auto operator<=>(const Ulid&) const = default;

    // The id of the nth message this one gives birth to (a DSN): the same for the same parent and counter, so
    // that a replay after a crash names it again instead of making a second one. Has its parent's time.
    Ulid child(std::uint32_t counter) const;
};

// Makes strictly increasing ids within one source. Not thread-safe: one per loop, or behind a lock.
class UlidSource {
public:
    UlidSource(const Clock& clock, Random& random) : clock_(clock), random_(random) {}
    Ulid next();

private:
    const Clock& clock_;
    Random& random_;
    Ulid last_{};
};

}  // namespace posthorn::base

template <>
struct std::hash<posthorn::base::Ulid> {
    std::size_t operator()(const posthorn::base::Ulid& id) const noexcept {
        std::size_t h = 0;
        // The last eight bytes are random: no mixing needed.
        for (int i = 8; i < 16; ++i) h = (h << 8) | id.bytes[static_cast<std::size_t>(i)];
        return h;
    }
};
