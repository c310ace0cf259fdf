// What the log's records, in their order, make of the table of messages.
#pragma once

#include "spool/impl/recovery.hpp"

namespace posthorn::spool {

// Writes the table, the trails and what is live in each segment; the rest of `out` is not its business.
class Replay {
public:
    explicit Replay(Recovered& out) : out_(out) {}

    void apply(const IndexEntry& entry, std::uint32_t segment);
    // The message is no longer in the table afterwards; `entry` may be the table's own.
    void forget(const Entry& entry);

private:
    void apply_message(const IndexEntry& entry, Location location, Entry* known);
    void dead(const Entry& entry);

    Recovered& out_;
};

}  // namespace posthorn::spool
