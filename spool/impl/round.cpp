#include "spool/impl/round.hpp"

#include "base/crc32c.hpp"

namespace posthorn::spool {

bool SegmentWriter::fits(std::uint64_t stored, std::uint64_t index, std::uint64_t margin) const {
    const auto round = align_up(RoundHeader::kSize + stored, kPage);
    return end_ + round + index_.size() + index + margin + Trailer::kSize <= segment_->header.size;
}

void SegmentWriter::begin(Lsn lsn) {
    lsn_ = lsn;
    entries_.clear();
    bytes_.clear();
    bytes_.resize(RoundHeader::kSize, '\0');
}

Location SegmentWriter::next() const {
    return {segment_->header.number, static_cast<std::uint32_t>(end_ + bytes_.size())};
}

Location SegmentWriter::add(RecordHeader header, std::string_view meta, std::string_view body,
                            std::string summary) {
    const auto at = next();
    const auto generation = segment_->header.generation;
    header.lsn = lsn_;
    header.meta_length = static_cast<std::uint32_t>(meta.size());
    if (!header.big()) {
        header.body_length = body.size();
        header.body_crc = base::crc32c(generation, body);
    }
    encode(header, generation, meta, bytes_);
    bytes_ += meta;
    if (!header.big()) bytes_ += body;
    bytes_.resize(align_up(bytes_.size(), kAlign), '\0');
    entries_.push_back({header.type, header.flags, header.id, at.offset, header.meta_length, header.body_length,
                        std::move(summary)});
    return at;
}

base::Result<void> SegmentWriter::write(Lsn durable, std::int64_t now_ms) {
    RoundHeader header{lsn_, durable, static_cast<std::uint32_t>(bytes_.size()),
                       static_cast<std::uint32_t>(entries_.size()), now_ms};
    std::string head;
    encode(header, segment_->header.generation, head);
    bytes_.replace(0, head.size(), head);
    bytes_.resize(align_up(bytes_.size(), kPage), '\0');
    if (auto written = segment_->file->write(end_, std::string_view(bytes_)); !written) return written;
    if (auto synced = segment_->file->sync(); !synced) return synced;
    end_ += bytes_.size();
    if (first_ == 0) first_ = lsn_;
    last_ = lsn_;
    for (const auto& entry : entries_) encode(entry, index_);
    return {};
}

void SegmentWriter::resume(std::uint64_t end, Lsn first, Lsn last, const std::vector<IndexEntry>& entries) {
    end_ = end;
    first_ = first;
    last_ = last;
    index_.clear();
    for (const auto& entry : entries) encode(entry, index_);
}

base::Result<void> seal(const SegmentWriter& writer) {
    const auto& segment = *writer.segment();
    const auto generation = segment.header.generation;
    const auto& index = writer.index();
    Trailer trailer;
    trailer.index_offset = static_cast<std::uint32_t>(writer.end());
    trailer.index_length = static_cast<std::uint32_t>(index.size());
    trailer.index_crc = base::crc32c(generation, index);
    trailer.first = writer.first();
    trailer.last = writer.last();
    std::string tail;
    encode(trailer, generation, tail);
    const auto at = segment.header.size - Trailer::kSize;
    if (writer.end() + index.size() > at)
        return base::fail(base::ErrorKind::internal, segment.path + ": no room for its index");
    // The trailer has a checksum over the index: no order between the two is needed.
    if (auto written = segment.file->write(writer.end(), std::string_view(index)); !written) return written;
    if (auto written = segment.file->write(at, std::string_view(tail)); !written) return written;
    return segment.file->sync();
}

}  // namespace posthorn::spool
