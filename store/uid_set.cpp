#include "store/uid_set.hpp"

#include <algorithm>
#include <charconv>

namespace posthorn::store {
namespace {

void put(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out += static_cast<char>(value | 0x80U);
        value >>= 7U;
    }
    out += static_cast<char>(value);
}

bool take(std::string_view& bytes, std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
        const auto octet = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        value |= std::uint64_t{octet & 0x7FU} << shift;
        if (octet < 0x80) return true;
    }
    return false;
}

bool number(std::string_view& text, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || value == 0) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

// The first range that ends at or behind `id`.
auto at_or_behind(auto& ranges, std::uint64_t id) {
    return std::ranges::lower_bound(ranges, id, {}, &IdSet::Range::last);
}

}  // namespace

void IdSet::add(std::uint64_t first, std::uint64_t last) {
    if (first > last) return;
    if (ranges_.empty() || (ranges_.back().last < first && ranges_.back().last + 1 < first)) {
        ranges_.push_back({first, last});
        return;
    }
    // Those that overlap or touch become one.
    auto begin = at_or_behind(ranges_, first == 0 ? 0 : first - 1);
    auto end = begin;
    while (end != ranges_.end() && (last == UINT64_MAX || end->first <= last + 1)) {
        first = std::min(first, end->first);
        last = std::max(last, end->last);
        ++end;
    }
    if (begin == end) {
        ranges_.insert(begin, {first, last});
        return;
    }
    *begin = {first, last};
    ranges_.erase(begin + 1, end);
}

void IdSet::add(const IdSet& other) {
    for (const auto& range : other.ranges_) add(range.first, range.last);
}

void IdSet::remove(const IdSet& other) {
    std::vector<Range> left;
    auto cut = other.ranges_.begin();
    for (auto range : ranges_) {
        while (cut != other.ranges_.end() && cut->last < range.first) ++cut;
        bool all = false;
        for (auto c = cut; c != other.ranges_.end() && c->first <= range.last; ++c) {
            if (c->first > range.first) left.push_back({range.first, c->first - 1});
            if (c->last >= range.last) {
                all = true;
                break;
            }
            range.first = c->last + 1;
        }
        if (!all) left.push_back(range);
    }
    ranges_ = std::move(left);
}

bool IdSet::contains(std::uint64_t id) const {
    const auto found = at_or_behind(ranges_, id);
    return found != ranges_.end() && found->first <= id;
}

std::uint64_t IdSet::count() const {
    std::uint64_t sum = 0;
    for (const auto& range : ranges_) {
        const auto more = range.last - range.first;
        if (more == UINT64_MAX || UINT64_MAX - sum <= more) return UINT64_MAX;
        sum += more + 1;
    }
    return sum;
}

std::string IdSet::text() const {
    std::string out;
    for (const auto& range : ranges_) {
        if (!out.empty()) out += ',';
        out += std::to_string(range.first);
        if (range.last != range.first) out += ':' + std::to_string(range.last);
    }
    return out;
}

std::optional<IdSet> IdSet::parse(std::string_view text) {
    IdSet set;
    while (true) {
        std::uint64_t first = 0;
        if (!number(text, first)) return std::nullopt;
        auto last = first;
        if (text.starts_with(':')) {
            text.remove_prefix(1);
            if (!number(text, last)) return std::nullopt;
        }
        set.add(std::min(first, last), std::max(first, last));
        if (text.empty()) return set;
        if (text.front() != ',') return std::nullopt;
        text.remove_prefix(1);
    }
}

// Each range as its distance from the end of the one before, and its length less one.
std::string IdSet::encode() const {
    std::string out;
    std::uint64_t before = 0;
    for (const auto& range : ranges_) {
        put(out, range.first - before);
        put(out, range.last - range.first);
        before = range.last;
    }
    return out;
}

std::optional<IdSet> IdSet::decode(std::string_view bytes) {
    IdSet set;
    std::uint64_t before = 0;
    while (!bytes.empty()) {
        std::uint64_t gap = 0;
        std::uint64_t length = 0;
        if (!take(bytes, gap) || !take(bytes, length)) return std::nullopt;
        if (gap > UINT64_MAX - before || length > UINT64_MAX - before - gap) return std::nullopt;
        const auto first = before + gap;
        before = first + length;
        set.add(first, before);
    }
    return set;
}

}  // namespace posthorn::store
