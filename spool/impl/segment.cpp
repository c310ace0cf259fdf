#include "spool/impl/segment.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/crc32c.hpp"
#include "spool/impl/bytes.hpp"

namespace posthorn::spool {
namespace {

constexpr std::size_t kFirstRead = 1024;  // holds most records' header and meta
constexpr std::size_t kBodyRead = std::size_t{128} << 10;

std::unexpected<base::Error> damaged(const Segment& segment, std::uint32_t offset, std::string_view what) {
    return base::fail(base::ErrorKind::permanent, fmt::format("{}: offset {}: {}", segment.path, offset, what),
                      "5.3.0", "Message is damaged");
}

}  // namespace

void encode(const IndexEntry& entry, std::string& out) {
    put(out, static_cast<std::uint8_t>(entry.type));
    put(out, entry.flags);
    out.append(reinterpret_cast<const char*>(entry.id.bytes.data()), entry.id.bytes.size());
    put(out, entry.offset);
    put_varint(out, entry.meta_length);
    put_varint(out, entry.body_length);
    put_varint(out, entry.summary.size());
    out += entry.summary;
}

std::size_t encoded_size_bound(std::size_t summary) { return 2 + 16 + 4 + 5 + 10 + 5 + summary; }

bool decode_index(std::string_view bytes, std::vector<IndexEntry>& out) {
    ByteReader in(bytes);
    while (!in.at_end()) {
        IndexEntry entry;
        const auto type = in.get<std::uint8_t>();
        entry.flags = in.get<std::uint8_t>();
        const auto id = in.take(entry.id.bytes.size());
        std::ranges::copy(id, entry.id.bytes.begin());
        entry.offset = in.get<std::uint32_t>();
        entry.meta_length = static_cast<std::uint32_t>(in.varint());
        entry.body_length = in.varint();
        entry.summary = in.take(in.varint());
        if (in.failed() || type < 1 || type > 4) return false;
        entry.type = static_cast<RecordType>(type);
        out.push_back(std::move(entry));
    }
    return true;
}

base::Result<StoredRecord> read_record(const Segment& segment, std::uint32_t offset) {
    std::string bytes(kFirstRead, '\0');
    auto got = segment.file->read(offset, bytes);
    if (!got) return std::unexpected(got.error());
    bytes.resize(*got);
    const auto peeked = peek_record_header(bytes, segment.header.generation);
    if (!peeked) return damaged(segment, offset, "no record");
    const auto whole = RecordHeader::kSize + peeked->meta_length;
    if (whole > bytes.size()) {
        const auto have = bytes.size();
        if (offset + whole > segment.header.size) return damaged(segment, offset, "record beyond the segment");
        bytes.resize(whole);
        got = segment.file->read(offset + have, std::span(bytes).subspan(have));
        if (!got) return std::unexpected(got.error());
        bytes.resize(have + *got);
    }
    const auto header = decode_record_header(bytes, segment.header.generation);
    if (!header) return damaged(segment, offset, "checksum of header and envelope is wrong");
    return StoredRecord{*header, bytes.substr(RecordHeader::kSize, header->meta_length)};
}

base::Result<void> verify_body(const Segment& segment, std::uint32_t offset, const RecordHeader& header,
                               std::string* into) {
    std::uint64_t at = offset + RecordHeader::kSize + header.meta_length;
    auto left = header.inline_body();
    auto crc = segment.header.generation;
    if (into != nullptr) into->reserve(left);
    std::string buffer;
    while (left > 0) {
        buffer.resize(std::min<std::uint64_t>(left, kBodyRead));
        const auto got = segment.file->read(at, buffer);
        if (!got) return std::unexpected(got.error());
        if (*got != buffer.size()) return damaged(segment, offset, "body beyond the file's end");
        crc = base::crc32c(crc, buffer);
        if (into != nullptr) into->append(buffer);
        at += *got;
        left -= *got;
    }
    if (header.inline_body() > 0 && crc != header.body_crc)
        return damaged(segment, offset, "checksum of the body is wrong");
    return {};
}

}  // namespace posthorn::spool
