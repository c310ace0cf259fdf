// A set of message numbers or UIDs as ranges. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace posthorn::imap {

class NumberSet {
public:
    struct Range {
        std::uint32_t first = 0;  // first <= last
        std::uint32_t last = 0;
        bool operator==(const Range&) const = default;
        std::uint64_t count() const { return std::uint64_t{last} - first + 1; }
    };

    NumberSet() = default;
    NumberSet(std::initializer_list<std::uint32_t> numbers) {
        for (const auto number : numbers) add(number);
    }

    void add(std::uint32_t number) { add(number, number); }
    // In constant time at the end. An empty range (first > last) adds nothing.
    void add(std::uint32_t first, std::uint32_t last);
    void add(const NumberSet& other);
    void remove(std::uint32_t first, std::uint32_t last);

    bool contains(std::uint32_t number) const;
    bool empty() const { return ranges_.empty(); }
    std::uint64_t count() const;
    std::uint32_t first() const { return ranges_.front().first; }
    std::uint32_t last() const { return ranges_.back().last; }
    const std::vector<Range>& ranges() const { return ranges_; }  // ascending, neither overlapping nor touching
    NumberSet common(const NumberSet& other) const;

    template <class F>
    void for_each(F&& fn) const {
        for (const auto& range : ranges_) {
            for (auto number = range.first;; ++number) {
                fn(number);
                if (number == range.last) break;
            }
        }
    }

    std::string text() const;  // "1:3,7"; "" when empty
    bool operator==(const NumberSet&) const = default;

private:
    std::vector<Range> ranges_;
};

}  // namespace posthorn::imap
