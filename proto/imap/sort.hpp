// SORT (RFC 5256 §3, RFC 5957): what a message is sorted by, and the order itself, made in slices so that nobody waits for
// a large mailbox. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mail/summary.hpp"
#include "proto/imap/command.hpp"

namespace posthorn::imap {

// Whether a criterion looks at the summary.
bool needs_summary(const SortCriterion& criterion);

// What of a text is compared: its collation key (RFC 5051), which may be longer than the text, cut to 256 octets at a
// character.
std::string sort_text(std::string_view utf8);

// What is compared, octet by octet. `summary` may be null where no criterion needs it; times in seconds since 1970.
// Of a text 256 octets count.
std::string sort_key(std::span<const SortCriterion> criteria, const mail::Summary* summary, std::int64_t received,
                     std::uint64_t size);

// RFC 5256 §2.2: the Date field in UTC; the internal date where there is none that is a date.
std::int64_t sent_date(const mail::Summary& summary, std::int64_t received);

// Keys in, numbers out; equal keys in the order they came. Each call works on no more than it is given or asked for.
class Sorter {
public:
    using Row = std::pair<std::string, std::uint32_t>;  // key, number
    // A few hundred at most, numbers rising from call to call.
    void add(std::vector<Row> rows);
    // After the last add(): the next ones in order, at most `count`; none at the end.
    std::vector<std::uint32_t> take(std::size_t count);
    std::size_t size() const { return size_; }

private:
    struct Run {
        std::vector<Row> rows;  // sorted
        std::size_t at = 0;
    };
    bool later(std::size_t a, std::size_t b) const;

    std::vector<Run> runs_;
    std::vector<std::size_t> heap_;  // of runs, the first one's row in front
    bool taking_ = false;
    std::size_t size_ = 0;
};

}  // namespace posthorn::imap
