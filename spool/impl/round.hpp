// Builds the bytes of one round, and writes rounds one behind the other into a segment. One thread: the committer.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spool/impl/segment.hpp"

namespace posthorn::spool {

class SegmentWriter {
public:
    explicit SegmentWriter(std::shared_ptr<const Segment> segment) : segment_(std::move(segment)) {}

    const std::shared_ptr<const Segment>& segment() const { return segment_; }

    // Would a round of these records fit, and leave `margin` octets? `stored`: the sum of their RecordHeader::stored();
    // `index`: the sum of their encoded_size_bound().
    bool fits(std::uint64_t stored, std::uint64_t index, std::uint64_t margin) const;

    // A round: begin, any number of add, then write or drop.
    void begin(Lsn lsn);
    // Where the next add() will stand: for STATEs that point to one of the same round.
    Location next() const;
    // header.lsn and, of an inline body, body_crc are filled in.
    Location add(RecordHeader header, std::string_view meta, std::string_view body, std::string summary);
    std::size_t records() const { return entries_.size(); }
    // Writes and syncs. After an error this segment must not be written any more.
    base::Result<void> write(Lsn durable, std::int64_t now_ms);

    // What stands behind the last good round: for sealing.
    Lsn first() const { return first_; }
    Lsn last() const { return last_; }
    std::uint64_t end() const { return end_; }
    const std::string& index() const { return index_; }
    // After recovery: goes on where these leave off (for sealing only).
    void resume(std::uint64_t end, Lsn first, Lsn last, const std::vector<IndexEntry>& entries);

private:
    std::shared_ptr<const Segment> segment_;
    std::uint64_t end_ = kPage;
    Lsn first_ = 0;
    Lsn last_ = 0;
    std::string index_;  // of the rounds written

    std::string bytes_;  // of the round under way; kept for its capacity
    std::vector<IndexEntry> entries_;
    Lsn lsn_ = 0;
};

// Writes index and trailer behind the last round and syncs. Needs room of encoded index + Trailer::kSize.
base::Result<void> seal(const SegmentWriter& writer);

}  // namespace posthorn::spool
