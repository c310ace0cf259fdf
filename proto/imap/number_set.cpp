#include "proto/imap/number_set.hpp"

#include <algorithm>

namespace posthorn::imap {

void NumberSet::add(std::uint32_t first, std::uint32_t last) {
    if (first > last) return;
    // The first range that ends at or behind first - 1: it touches, overlaps, or comes after.
    auto from = ranges_.end();
    if (!ranges_.empty() && std::uint64_t{ranges_.back().last} + 1 >= first) {
        from = std::lower_bound(ranges_.begin(), ranges_.end(), first, [](const Range& range, std::uint32_t value) {
            return std::uint64_t{range.last} + 1 < value;
        });
    }
    auto to = from;
    while (to != ranges_.end() && to->first <= std::uint64_t{last} + 1) {
        first = std::min(first, to->first);
        last = std::max(last, to->last);
        ++to;
    }
    if (from == to) {
        ranges_.insert(from, Range{first, last});
    } else {
        *from = {first, last};
        ranges_.erase(from + 1, to);
    }
}

void NumberSet::add(const NumberSet& other) {
    for (const auto& range : other.ranges_) add(range.first, range.last);
}

void NumberSet::remove(std::uint32_t first, std::uint32_t last) {
    if (first > last) return;
    const auto from = std::lower_bound(ranges_.begin(), ranges_.end(), first,
                                       [](const Range& range, std::uint32_t value) { return range.last < value; });
    auto to = from;
    std::vector<Range> left;
    for (; to != ranges_.end() && to->first <= last; ++to) {
        if (to->first < first) left.push_back({to->first, first - 1});
        if (to->last > last) left.push_back({last + 1, to->last});
    }
    const auto at = ranges_.erase(from, to);
    ranges_.insert(at, left.begin(), left.end());
}

bool NumberSet::contains(std::uint32_t number) const {
    const auto at = std::lower_bound(ranges_.begin(), ranges_.end(), number,
                                     [](const Range& range, std::uint32_t value) { return range.last < value; });
    return at != ranges_.end() && at->first <= number;
}

std::uint64_t NumberSet::count() const {
    std::uint64_t sum = 0;
    for (const auto& range : ranges_) sum += range.count();
    return sum;
}

NumberSet NumberSet::common(const NumberSet& other) const {
    NumberSet both;
    auto a = ranges_.begin();
    auto b = other.ranges_.begin();
    while (a != ranges_.end() && b != other.ranges_.end()) {
        both.add(std::max(a->first, b->first), std::min(a->last, b->last));
        if (a->last < b->last) {
            ++a;
        } else {
            ++b;
        }
    }
    return both;
}

std::string NumberSet::text() const {
    std::string out;
    for (const auto& range : ranges_) {
        if (!out.empty()) out += ',';
        out += std::to_string(range.first);
        if (range.last != range.first) out += ':' + std::to_string(range.last);
    }
    return out;
}

}  // namespace posthorn::imap
