// What an IMAP client may make us hold at once. A session keeps one command in memory, never a message.
#pragma once

#include <cstddef>
#include <cstdint>

namespace posthorn::imap {

struct Limits {
    // Octets of a command with the literals in it, but for messages: these stream (APPEND).
    static constexpr std::size_t command = 64 * 1024;
    // RFC 7888 §5: what a client may send without asking.
    static constexpr std::size_t literal_minus = 4096;
    // A literal that nobody waits for is read past up to here; beyond it the connection ends.
    static constexpr std::uint64_t skip = 64ULL << 20;
    static constexpr std::size_t tag = 128;
    static constexpr std::size_t ranges = 10'000;        // of one sequence set
    static constexpr std::size_t search_keys = 1000;     // of one SEARCH
    static constexpr std::size_t search_depth = 40;      // parentheses, NOT and OR in one another
    static constexpr std::size_t fetch_items = 200;      // of one FETCH
    static constexpr std::size_t list_patterns = 100;    // of one LIST
    static constexpr std::size_t section_depth = 60;     // numbers of a section's part
    static constexpr std::size_t header_fields = 200;    // of one HEADER.FIELDS
    static constexpr std::size_t keywords = 60;          // of one flag list
    static constexpr std::size_t id_pairs = 30;          // RFC 2971 §3.3
    static constexpr std::size_t sasl_line = 16 * 1024;  // octets of one answer to a challenge
};

}  // namespace posthorn::imap
