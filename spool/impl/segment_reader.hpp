// Reads a segment that has no index: finds every round and every record that can still be believed, and what
// cannot. Used at start for the segment that was active, and for a spoiled one. Judges nothing: what is damage and
// what is a torn tail depends on the other segments (impl/recovery.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spool/impl/segment.hpp"

namespace posthorn::spool {

struct ScannedRound {
    RoundHeader header;  // of a round whose header is lost: lsn alone, from its records
    std::uint32_t offset = 0;
    std::uint32_t end = 0;  // of its space: the next page
    bool whole = false;     // header, and as many sound records as it says (bodies not looked at)
    std::vector<IndexEntry> entries;
    std::optional<AbortRange> abort;
};

struct Scan {
    std::vector<ScannedRound> rounds;  // in the order of their offsets
    std::uint32_t end = kPage;         // behind the last of them
    std::uint64_t unreadable = 0;      // pages the disk does not give (EIO); taken for zeros
};

// An error is the disk's; damage is none.
base::Result<Scan> scan_segment(const base::File& file, const SegmentHeader& header);

// The first round alone.
base::Result<std::optional<ScannedRound>> read_first_round(const base::File& file, const SegmentHeader& header);

// For a segment whose header is spoiled: the generation that rounds in it agree on, by their checksums.
base::Result<std::optional<std::uint32_t>> guess_generation(const base::File& file);

// The index of a sealed segment; nothing when it has none (any more).
struct SealedIndex {
    Trailer trailer;
    std::vector<IndexEntry> entries;
};
base::Result<std::optional<Trailer>> read_trailer(const base::File& file, const SegmentHeader& header);
base::Result<std::optional<SealedIndex>> read_index(const base::File& file, const SegmentHeader& header);

}  // namespace posthorn::spool
