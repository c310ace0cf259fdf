// Flags as they stand on the wire (RFC 9051 §2.3.2).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posthorn::imap {

// Bits of the system flags; those of the store (the driver holds them together).
namespace flag {
inline constexpr std::uint64_t seen = 1;
inline constexpr std::uint64_t answered = 2;
inline constexpr std::uint64_t flagged = 4;
inline constexpr std::uint64_t deleted = 8;
inline constexpr std::uint64_t draft = 16;
}  // namespace flag

inline constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kSystemFlags{{
    {"\\Answered", flag::answered},
    {"\\Flagged", flag::flagged},
    {"\\Deleted", flag::deleted},
    {"\\Seen", flag::seen},
    {"\\Draft", flag::draft},
}};

struct FlagList {
    std::uint64_t system = 0;
    std::vector<std::string> keywords;
    bool operator==(const FlagList&) const = default;
};

}  // namespace posthorn::imap
