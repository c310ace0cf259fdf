// One file of the log, and what is known of its content without reading it again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "spool/impl/record.hpp"

namespace posthorn::spool {

// Immutable and shared: whoever reads a body from it keeps it alive; only one that nobody reads any more is reused.
struct Segment {
    SegmentHeader header;
    std::string path;
    std::shared_ptr<base::File> file;
};

// One record of a segment, as its index has it.
struct IndexEntry {
    RecordType type = RecordType::message;
    std::uint8_t flags = 0;
    base::Ulid id;
    std::uint32_t offset = 0;
    std::uint32_t meta_length = 0;
    std::uint64_t body_length = 0;
    std::string summary;  // the message's, and of its state where it has one; the changes' of a STATE
    bool operator==(const IndexEntry&) const = default;
};

void encode(const IndexEntry& entry, std::string& out);
std::size_t encoded_size_bound(std::size_t summary);
// False: malformed.
bool decode_index(std::string_view bytes, std::vector<IndexEntry>& out);

struct StoredRecord {
    RecordHeader header;
    std::string meta;
};

// Reads header and meta of the record at `offset` and verifies them. Errors: temporary, the disk's; permanent,
// damage.
base::Result<StoredRecord> read_record(const Segment& segment, std::uint32_t offset);
// Verifies an inline body; `into`, if given, gets it. The same errors.
base::Result<void> verify_body(const Segment& segment, std::uint32_t offset, const RecordHeader& header,
                               std::string* into = nullptr);

}  // namespace posthorn::spool
