#include "proto/imap/sequence_set.hpp"

#include <algorithm>
#include <optional>

namespace posthorn::imap {

namespace {

// Lower end first; nothing when "*" names nothing.
std::optional<SequenceSet::Range> ordered(const SequenceSet::Range& range, std::uint32_t largest) {
    const bool star = range.first == SequenceSet::kStar || range.last == SequenceSet::kStar;
    if (star && largest == 0) return std::nullopt;
    const auto a = range.first == SequenceSet::kStar ? largest : range.first;
    const auto b = range.last == SequenceSet::kStar ? largest : range.last;
    return SequenceSet::Range{std::min(a, b), std::max(a, b)};
}

}  // namespace

NumberSet SequenceSet::resolve(std::uint32_t largest) const {
    std::vector<Range> sorted;  // a set is made at its end in constant time, elsewhere not
    for (const auto& range : ranges) {
        if (const auto named = ordered(range, largest)) sorted.push_back(*named);
    }
    std::ranges::sort(sorted, {}, &Range::first);
    NumberSet set;
    for (const auto& range : sorted) set.add(range.first, range.last);
    return set;
}

bool SequenceSet::contains(std::uint32_t number, std::uint32_t largest) const {
    return std::ranges::any_of(ranges, [&](const Range& range) {
        const auto named = ordered(range, largest);
        return named && named->first <= number && number <= named->last;
    });
}

bool SequenceSet::has_star() const {
    return std::ranges::any_of(ranges, [](const Range& r) { return r.first == kStar || r.last == kStar; });
}

}  // namespace posthorn::imap
