// The bytes of the log: segment header, round header, records, trailer. docs/spool.md has the same as tables and says
// why. All numbers little-endian. Pure: bytes in, values out, nothing trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ulid.hpp"

namespace posthorn::spool {

inline constexpr std::uint32_t kFormatVersion = 1;

// A round starts on a page of its own: a page that holds something durable is never written again, so that a torn or
// failed write cannot take it along.
inline constexpr std::uint64_t kPage = 4096;
inline constexpr std::uint64_t kAlign = 8;  // of records within a round

inline constexpr std::uint64_t align_up(std::uint64_t n, std::uint64_t to) { return (n + to - 1) / to * to; }

// Counts rounds, over all segments, from 1. Grows; has gaps only where a round failed or was cut off.
using Lsn = std::uint64_t;

// Where a record stands. segment 0: nowhere.
struct Location {
    std::uint32_t segment = 0;
    std::uint32_t offset = 0;  // octets from the segment's start
    bool operator==(const Location&) const = default;
    explicit operator bool() const { return segment != 0; }
};

struct SegmentHeader {
    static constexpr std::size_t kSize = 64;  // stands alone on the first page
    std::uint32_t number = 0;                 // grows; the file's name; never used again
    std::uint32_t generation = 0;             // random: new each time the file's space is used
    std::uint64_t size = 0;                   // of the file, trailer included
    std::int64_t created_ms = 0;
    bool operator==(const SegmentHeader&) const = default;
};

struct RoundHeader {
    static constexpr std::size_t kSize = 64;
    Lsn lsn = 0;
    Lsn durable = 0;           // every round up to this was durable (or aborted) when this one was written
    std::uint32_t length = 0;  // octets from the round's start to the end of its last record
    std::uint32_t records = 0;
    std::int64_t written_ms = 0;
    bool operator==(const RoundHeader&) const = default;
};

enum class RecordType : std::uint8_t {
    message = 1,  // meta: envelope, then (if `state`) what a STATE's meta holds; body: the message
    state = 2,    // meta: where the message's last STATE before this one stands, then the changes
    done = 3,     // no meta, no body: every recipient final, nothing owed
    abort = 4,    // meta: two LSNs; the rounds from the one to the other never happened
};

namespace record_flag {
inline constexpr std::uint8_t big =
    1;  // MESSAGE: the body is big/<big id>; body_length and body_crc are the file's
inline constexpr std::uint8_t state = 2;    // MESSAGE: state follows the envelope in meta
inline constexpr std::uint8_t forward = 4;  // MESSAGE: stands for an older MESSAGE and all STATEs of its id so far
}  // namespace record_flag

struct RecordHeader {
    static constexpr std::size_t kSize = 64;
    RecordType type = RecordType::message;
    std::uint8_t flags = 0;
    Lsn lsn = 0;
    base::Ulid id;
    std::uint32_t meta_length = 0;
    std::uint64_t body_length = 0;
    std::uint32_t body_crc = 0;  // seeded with the generation; of a big file: with 0

    bool big() const { return (flags & record_flag::big) != 0; }
    std::uint64_t inline_body() const { return big() ? 0 : body_length; }
    // Octets in the segment, with the padding to the next record.
    std::uint64_t stored() const { return align_up(kSize + meta_length + inline_body(), kAlign); }
    bool operator==(const RecordHeader&) const = default;
};

// Stands in the last kSize octets of a sealed segment and points to its index. Written last, after what it speaks of
// is durable: a segment with a valid one is never scanned.
struct Trailer {
    static constexpr std::size_t kSize = 64;
    std::uint32_t index_offset = 0;
    std::uint32_t index_length = 0;
    std::uint32_t index_crc = 0;  // seeded with the generation
    Lsn first = 0;                // of the segment's rounds; 0: it has none
    Lsn last = 0;
    bool operator==(const Trailer&) const = default;
};

// Limits on what a reader believes.
inline constexpr std::uint32_t kMaxMeta = std::uint32_t{64} << 20;        // octets
inline constexpr std::uint64_t kMaxInlineBody = std::uint64_t{16} << 20;  // octets
inline constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 40;

void encode(const SegmentHeader& header, std::string& out);
void encode(const RoundHeader& header, std::uint32_t generation, std::string& out);
// `meta` is what follows; the checksum covers both.
void encode(const RecordHeader& header, std::uint32_t generation, std::string_view meta, std::string& out);
void encode(const Trailer& trailer, std::uint32_t generation, std::string& out);

// Nothing where the bytes are no valid one (too few, wrong magic, version, generation or checksum). A segment header
// of a newer version is told apart: `newer`.
std::optional<SegmentHeader> decode_segment_header(std::string_view bytes, bool* newer = nullptr);
std::optional<RoundHeader> decode_round_header(std::string_view bytes, std::uint32_t generation);
std::optional<Trailer> decode_trailer(std::string_view bytes, std::uint32_t generation);

// The fields alone, believed only as far as the limits above: for reading on to the meta.
std::optional<RecordHeader> peek_record_header(std::string_view bytes, std::uint32_t generation);
// `bytes` starts with the header and holds at least all of the meta: the checksum is verified.
std::optional<RecordHeader> decode_record_header(std::string_view bytes, std::uint32_t generation);

struct AbortRange {
    Lsn from = 0;
    Lsn to = 0;
    bool operator==(const AbortRange&) const = default;
};
std::string encode_abort(AbortRange range);
std::optional<AbortRange> decode_abort(std::string_view meta);

// STATE meta: the location, then the changes (impl/state_blob.hpp).
inline constexpr std::size_t kPreviousSize = 8;
void encode_previous(Location previous, std::string& out);
std::optional<Location> decode_previous(std::string_view meta);

// "0000000017.seg"; nothing for any other name.
std::string segment_name(std::uint32_t number);
std::optional<std::uint32_t> parse_segment_name(std::string_view name);

}  // namespace posthorn::spool
