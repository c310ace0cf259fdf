// A sequence-set as a client writes it (RFC 9051 §9): not yet held against a mailbox.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/imap/number_set.hpp"

namespace posthorn::imap {

struct SequenceSet {
    static constexpr std::uint32_t kStar = 0;  // "*": the largest in use
    struct Range {
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        bool operator==(const Range&) const = default;
    };
    std::vector<Range> ranges;
    bool saved = false;  // "$" (RFC 5182): what the last SEARCH kept
    bool operator==(const SequenceSet&) const = default;

    // `largest` stands for "*"; 0: the mailbox is empty, and "*" names nothing. A range may be written backwards.
    NumberSet resolve(std::uint32_t largest) const;
    // As resolve(largest).contains(number), without making the set: for a search, which asks about each message.
    bool contains(std::uint32_t number, std::uint32_t largest) const;
    bool has_star() const;
};

}  // namespace posthorn::imap
