#include "proto/imap/sequence_set.hpp"

#include <algorithm>

namespace posthorn::imap {

NumberSet SequenceSet::resolve(std::uint32_t largest) const {
    NumberSet set;
    for (const auto& range : ranges) {
        const bool star = range.first == kStar || range.last == kStar;
        if (star && largest == 0) continue;
        const auto a = range.first == kStar ? largest : range.first;
        const auto b = range.last == kStar ? largest : range.last;
        set.add(std::min(a, b), std::max(a, b));
    }
    return set;
}

bool SequenceSet::has_star() const {
    return std::ranges::any_of(ranges, [](const Range& r) { return r.first == kStar || r.last == kStar; });
}

}  // namespace posthorn::imap
