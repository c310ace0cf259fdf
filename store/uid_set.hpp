// A set of UIDs (or of any ids that come in runs) as ranges: what commands name and what changes tell. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::store {

class IdSet {
public:
    struct Range {
        std::uint64_t first = 0;  // first <= last
        std::uint64_t last = 0;
        bool operator==(const Range&) const = default;
    };

    IdSet() = default;
    IdSet(std::initializer_list<std::uint64_t> ids) {
        for (const auto id : ids) add(id);
    }
    static IdSet all() { return of(1, UINT64_MAX); }
    static IdSet of(std::uint64_t first, std::uint64_t last) {
        IdSet set;
        set.add(first, last);
        return set;
    }

    void add(std::uint64_t id) { add(id, id); }
    // At the end in constant time, else in that of the ranges behind. An empty range (first > last) adds nothing.
    void add(std::uint64_t first, std::uint64_t last);
    void add(const IdSet& other);
    void remove(const IdSet& other);

    bool contains(std::uint64_t id) const;
    bool empty() const { return ranges_.empty(); }
    std::uint64_t count() const;  // of ids; UINT64_MAX where there are more
    std::uint64_t first() const { return ranges_.front().first; }
    std::uint64_t last() const { return ranges_.back().last; }
    const std::vector<Range>& ranges() const { return ranges_; }  // ascending, neither overlapping nor touching

    template <class F>
    void for_each(F&& fn) const {
        for (const auto& range : ranges_) {
            for (auto id = range.first;; ++id) {
                fn(id);
                if (id == range.last) break;
            }
        }
    }

    std::string text() const;  // "1:3,7", as RFC 9051's sequence-set; "" when empty
    static std::optional<IdSet> parse(std::string_view text);
    // Differences as variable-length integers: what the change log keeps.
    std::string encode() const;
    static std::optional<IdSet> decode(std::string_view bytes);

    bool operator==(const IdSet&) const = default;

private:
    std::vector<Range> ranges_;
};

using UidSet = IdSet;

}  // namespace posthorn::store
