#include "spool/impl/record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crc32c.hpp"
#include "spool/impl/bytes.hpp"

namespace posthorn::spool {
namespace {

constexpr std::uint32_t kSegmentMagic = 0x47534850;  // "PHSG"
constexpr std::uint32_t kRoundMagic = 0x44524850;    // "PHRD"
constexpr std::uint32_t kRecordMagic = 0x43524850;   // "PHRC"
constexpr std::uint32_t kTrailerMagic = 0x58494850;  // "PHIX"

// Each header is: magic, generation, ..., zeros, checksum in the last four octets (seeded with the generation).
constexpr std::size_t kHeader = 64;

void finish(std::string& out, std::size_t start, std::uint32_t generation, std::string_view meta = {}) {
    out.resize(start + kHeader - 4, '\0');
    auto crc = base::crc32c(generation, std::string_view(out).substr(start, kHeader - 4));
    put(out, base::crc32c(crc, meta));
}

bool sound(std::string_view bytes, std::uint32_t magic, std::uint32_t generation, std::string_view meta = {}) {
    if (bytes.size() < kHeader) return false;
    ByteReader in(bytes);
    if (in.get<std::uint32_t>() != magic || in.get<std::uint32_t>() != generation) return false;
    ByteReader tail(bytes.substr(kHeader - 4));
    const auto crc = base::crc32c(base::crc32c(generation, bytes.substr(0, kHeader - 4)), meta);
    return crc == tail.get<std::uint32_t>();
}

}  // namespace

void encode(const SegmentHeader& h, std::string& out) {
    const auto start = out.size();
    put(out, kSegmentMagic);
    put(out, h.generation);
    put(out, kFormatVersion);
    put(out, h.number);
    put(out, h.size);
    put(out, h.created_ms);
    finish(out, start, h.generation);
}

std::optional<SegmentHeader> decode_segment_header(std::string_view bytes, bool* newer) {
    ByteReader in(bytes);
    SegmentHeader h;
    if (in.get<std::uint32_t>() != kSegmentMagic) return std::nullopt;
    h.generation = in.get<std::uint32_t>();
    const auto version = in.get<std::uint32_t>();
    h.number = in.get<std::uint32_t>();
    h.size = in.get<std::uint64_t>();
    h.created_ms = in.get<std::int64_t>();
    if (!sound(bytes, kSegmentMagic, h.generation)) return std::nullopt;
    if (newer != nullptr) *newer = version > kFormatVersion;
    if (version != kFormatVersion || h.number == 0) return std::nullopt;
    return h;
}

void encode(const RoundHeader& h, std::uint32_t generation, std::string& out) {
    const auto start = out.size();
    put(out, kRoundMagic);
    put(out, generation);
    put(out, h.lsn);
    put(out, h.durable);
    put(out, h.length);
    put(out, h.records);
    put(out, h.written_ms);
    finish(out, start, generation);
}

std::optional<RoundHeader> decode_round_header(std::string_view bytes, std::uint32_t generation) {
    if (!sound(bytes, kRoundMagic, generation)) return std::nullopt;
    ByteReader in(bytes.substr(8));
    RoundHeader h;
    h.lsn = in.get<Lsn>();
    h.durable = in.get<Lsn>();
    h.length = in.get<std::uint32_t>();
    h.records = in.get<std::uint32_t>();
    h.written_ms = in.get<std::int64_t>();
    return h;
}

void encode(const RecordHeader& h, std::uint32_t generation, std::string_view meta, std::string& out) {
    const auto start = out.size();
    put(out, kRecordMagic);
    put(out, generation);
    put(out, h.lsn);
    out.append(reinterpret_cast<const char*>(h.id.bytes.data()), h.id.bytes.size());
    put(out, h.meta_length);
    put(out, h.body_crc);
    put(out, h.body_length);
    put(out, static_cast<std::uint8_t>(h.type));
    put(out, h.flags);
    finish(out, start, generation, meta);
}

std::optional<RecordHeader> peek_record_header(std::string_view bytes, std::uint32_t generation) {
    if (bytes.size() < kHeader) return std::nullopt;
    ByteReader in(bytes);
    if (in.get<std::uint32_t>() != kRecordMagic || in.get<std::uint32_t>() != generation) return std::nullopt;
    RecordHeader h;
    h.lsn = in.get<Lsn>();
    const auto id = in.take(h.id.bytes.size());
    std::ranges::copy(id, h.id.bytes.begin());
    h.meta_length = in.get<std::uint32_t>();
    h.body_crc = in.get<std::uint32_t>();
    h.body_length = in.get<std::uint64_t>();
    const auto type = in.get<std::uint8_t>();
    h.flags = in.get<std::uint8_t>();
    if (type < 1 || type > 4 || h.meta_length > kMaxMeta || h.body_length > kMaxBody) return std::nullopt;
    if (h.inline_body() > kMaxInlineBody) return std::nullopt;
    h.type = static_cast<RecordType>(type);
    return h;
}

std::optional<RecordHeader> decode_record_header(std::string_view bytes, std::uint32_t generation) {
    const auto h = peek_record_header(bytes, generation);
    if (!h || bytes.size() < RecordHeader::kSize + h->meta_length) return std::nullopt;
    const auto meta = bytes.substr(RecordHeader::kSize, h->meta_length);
    if (!sound(bytes, kRecordMagic, generation, meta)) return std::nullopt;
    return h;
}

void encode(const Trailer& t, std::uint32_t generation, std::string& out) {
    const auto start = out.size();
    put(out, kTrailerMagic);
    put(out, generation);
    put(out, t.index_offset);
    put(out, t.index_length);
    put(out, t.index_crc);
    put(out, t.first);
    put(out, t.last);
    finish(out, start, generation);
}

std::optional<Trailer> decode_trailer(std::string_view bytes, std::uint32_t generation) {
    if (!sound(bytes, kTrailerMagic, generation)) return std::nullopt;
    ByteReader in(bytes.substr(8));
    Trailer t;
    t.index_offset = in.get<std::uint32_t>();
    t.index_length = in.get<std::uint32_t>();
    t.index_crc = in.get<std::uint32_t>();
    t.first = in.get<Lsn>();
    t.last = in.get<Lsn>();
    return t;
}

std::string encode_abort(AbortRange range) {
    std::string out;
    put(out, range.from);
    put(out, range.to);
    return out;
}

std::optional<AbortRange> decode_abort(std::string_view meta) {
    ByteReader in(meta);
    AbortRange range;
    range.from = in.get<Lsn>();
    range.to = in.get<Lsn>();
    if (in.failed() || range.from > range.to) return std::nullopt;
    return range;
}

void encode_previous(Location previous, std::string& out) {
    put(out, previous.segment);
    put(out, previous.offset);
}

std::optional<Location> decode_previous(std::string_view meta) {
    ByteReader in(meta);
    Location previous;
    previous.segment = in.get<std::uint32_t>();
    previous.offset = in.get<std::uint32_t>();
    if (in.failed()) return std::nullopt;
    return previous;
}

std::string segment_name(std::uint32_t number) { return fmt::format("{:010}.seg", number); }

std::optional<std::uint32_t> parse_segment_name(std::string_view name) {
    std::uint32_t number = 0;
    if (name.size() != 14 || !name.ends_with(".seg")) return std::nullopt;
    const auto [end, error] = std::from_chars(name.data(), name.data() + 10, number);
    if (error != std::errc() || end != name.data() + 10 || number == 0) return std::nullopt;
    return number;
}

}  // namespace posthorn::spool
