#include "spool/impl/segment_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "base/crc32c.hpp"
#include "mail/envelope_codec.hpp"
#include "spool/impl/bytes.hpp"
#include "spool/impl/changes.hpp"

namespace posthorn::spool {
namespace {

// A window that moves over the file: what is looked at is mostly what follows.
class Window {
public:
    Window(const base::File& file, std::uint64_t end) : file_(file), end_(end) {}

    // Up to `size` octets at `offset`, fewer at the end; valid until the next call.
    base::Result<std::string_view> at(std::uint64_t offset, std::size_t size) {
        if (offset >= end_) return std::string_view();
        size = static_cast<std::size_t>(std::min<std::uint64_t>(size, end_ - offset));
        if (offset < start_ || offset + size > start_ + bytes_.size()) {
            bytes_.resize(std::max<std::size_t>(size, kWindow));
            auto got = file_.read(offset, bytes_);
            if (!got && got.error().code == EIO) got = by_page(offset);
            if (!got) return std::unexpected(got.error());
            bytes_.resize(*got);
            start_ = offset;
        }
        return std::string_view(bytes_).substr(offset - start_, size);
    }
    std::uint64_t end() const { return end_; }
    const std::set<std::uint64_t>& unreadable() const { return unreadable_; }

private:
    // What a bad sector spoils is one page, not the rest of the log.
    base::Result<std::size_t> by_page(std::uint64_t offset) {
        std::size_t done = 0;
        while (done < bytes_.size()) {
            const auto page = (offset + done) / kPage;
            const auto size = std::min<std::size_t>(bytes_.size() - done, (page + 1) * kPage - (offset + done));
            auto got = file_.read(offset + done, std::span(bytes_).subspan(done, size));
            if (!got && got.error().code != EIO) return got;
            if (!got) {
                unreadable_.insert(page);
                std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(done), size, '\0');
                got = size;
            }
            done += *got;
            if (*got < size) break;
        }
        return done;
    }

    static constexpr std::size_t kWindow = std::size_t{256} << 10;
    const base::File& file_;
    std::uint64_t end_;
    std::uint64_t start_ = 0;
    std::string bytes_;
    std::set<std::uint64_t> unreadable_;  // pages
};

// What the index would say of this record. False: its meta makes no sense although its checksum is right.
bool summarize_record(const RecordHeader& header, std::string_view meta, IndexEntry& entry,
                      std::optional<AbortRange>& abort) {
    entry.type = header.type;
    entry.flags = header.flags;
    entry.id = header.id;
    entry.meta_length = header.meta_length;
    entry.body_length = header.body_length;
    switch (header.type) {
        case RecordType::message: {
            std::size_t used = 0;
            const auto envelope = mail::decode_envelope_prefix(meta, used);
            if (!envelope) return false;
            entry.summary = summarize(*envelope, header.body_length);
            if ((header.flags & record_flag::state) == 0) return true;
            const auto changes = decode_changes(meta.substr(used));
            if (!changes) return false;
            entry.summary += summarize(changes->recipients, changes->frozen);
            return true;
        }
        case RecordType::state: {
            if (meta.size() < kPreviousSize) return false;
            const auto changes = decode_changes(meta.substr(kPreviousSize));
            if (!changes) return false;
            entry.summary = summarize(changes->recipients, changes->frozen);
            return true;
        }
        case RecordType::done: return true;
        case RecordType::abort: abort = decode_abort(meta); return abort.has_value();
    }
    return false;
}

class Scanner {
public:
    Scanner(const base::File& file, const SegmentHeader& header, std::uint64_t end)
        : window_(file, end), generation_(header.generation) {
        encode(RecordHeader{}, generation_, {}, mark_);
        mark_.resize(kAlign);
    }

    // What starts on this page; `next` becomes where to go on.
    base::Result<std::optional<ScannedRound>> page(std::uint64_t offset, std::uint64_t& next) {
        next = offset + kPage;
        const auto bytes = window_.at(offset, RoundHeader::kSize);
        if (!bytes) return std::unexpected(bytes.error());
        const auto header = decode_round_header(*bytes, generation_);
        if (header && header->length >= RoundHeader::kSize && offset + header->length <= window_.end())
            return round(offset, *header, next);
        return headless(offset, next);
    }

    std::size_t unreadable() const { return window_.unreadable().size(); }

private:
    base::Result<std::optional<ScannedRound>> round(std::uint64_t offset, const RoundHeader& header,
                                                    std::uint64_t& next) {
        ScannedRound found;
        found.header = header;
        found.offset = static_cast<std::uint32_t>(offset);
        next = align_up(offset + header.length, kPage);
        found.end = static_cast<std::uint32_t>(next);
        bool gaps = false;
        auto at = offset + RoundHeader::kSize;
        const auto end = offset + header.length;
        while (at + RecordHeader::kSize <= end) {
            const auto size = record(at, end, header.lsn, found);
            if (!size) return std::unexpected(size.error());
            gaps = gaps || *size == 0;
            at += *size == 0 ? kAlign : *size;
        }
        found.whole = !gaps && found.entries.size() == header.records;
        return found;
    }

    // A page without a round header may hold records of a round whose header is lost.
    base::Result<std::optional<ScannedRound>> headless(std::uint64_t offset, std::uint64_t& next) {
        ScannedRound found;
        found.offset = static_cast<std::uint32_t>(offset);
        const auto end = offset + kPage;
        for (auto at = offset; at < end;) {
            const auto candidate = next_mark(at, end);
            if (!candidate) return std::unexpected(candidate.error());
            at = *candidate;
            if (at == end) break;
            const auto size = record(at, window_.end(), std::nullopt, found);
            if (!size) return std::unexpected(size.error());
            at += *size == 0 ? kAlign : *size;
            next = align_up(std::max<std::uint64_t>(at, next), kPage);
        }
        if (found.entries.empty()) return std::nullopt;
        found.end = static_cast<std::uint32_t>(next);
        return found;
    }

    // Where from `at` on something starts like a record; `end` if nothing does. Most of a segment that was not
    // filled is looked at here.
    base::Result<std::uint64_t> next_mark(std::uint64_t at, std::uint64_t end) {
        const auto bytes = window_.at(at, static_cast<std::size_t>(end - at));
        if (!bytes) return std::unexpected(bytes.error());
        for (std::size_t i = 0; i + kAlign <= bytes->size(); i += kAlign) {
            if (std::memcmp(bytes->data() + i, mark_.data(), kAlign) == 0) return at + i;
        }
        return end;
    }

    // Its octets if a sound record stands at `at`, else 0.
    base::Result<std::uint64_t> record(std::uint64_t at, std::uint64_t end, std::optional<Lsn> lsn,
                                       ScannedRound& found) {
        auto bytes = window_.at(at, RecordHeader::kSize);
        if (!bytes) return std::unexpected(bytes.error());
        const auto peeked = peek_record_header(*bytes, generation_);
        if (!peeked || at + peeked->stored() > end || (lsn && peeked->lsn != *lsn)) return 0;
        bytes = window_.at(at, RecordHeader::kSize + peeked->meta_length);
        if (!bytes) return std::unexpected(bytes.error());
        const auto header = decode_record_header(*bytes, generation_);
        if (!header) return 0;
        IndexEntry entry;
        entry.offset = static_cast<std::uint32_t>(at);
        if (!summarize_record(*header, bytes->substr(RecordHeader::kSize), entry, found.abort)) return 0;
        if (!lsn && found.entries.empty()) found.header.lsn = header->lsn;
        if (!lsn && found.header.lsn != header->lsn) return 0;
        found.entries.push_back(std::move(entry));
        return header->stored();
    }

    Window window_;
    std::uint32_t generation_;
    std::string mark_;  // the octets a record of this generation starts with: magic and generation
};

base::Result<std::uint64_t> end_of(const base::File& file, const SegmentHeader& header) {
    const auto size = file.size();
    if (!size) return std::unexpected(size.error());
    return std::min(*size, header.size);
}

}  // namespace

base::Result<Scan> scan_segment(const base::File& file, const SegmentHeader& header) {
    const auto end = end_of(file, header);
    if (!end) return std::unexpected(end.error());
    Scanner scanner(file, header, *end);
    Scan scan;
    std::uint64_t next = 0;
    for (std::uint64_t at = kPage; at < *end; at = next) {
        auto found = scanner.page(at, next);
        if (!found) return std::unexpected(found.error());
        if (!*found) continue;
        scan.end = (*found)->end;
        scan.rounds.push_back(std::move(**found));
    }
    scan.unreadable = scanner.unreadable();
    return scan;
}

base::Result<std::optional<ScannedRound>> read_first_round(const base::File& file, const SegmentHeader& header) {
    const auto end = end_of(file, header);
    if (!end) return std::unexpected(end.error());
    std::uint64_t next = 0;
    return Scanner(file, header, *end).page(kPage, next);
}

base::Result<std::optional<std::uint32_t>> guess_generation(const base::File& file) {
    const auto size = file.size();
    if (!size) return std::unexpected(size.error());
    Window window(file, *size);
    std::map<std::uint32_t, std::pair<Lsn, int>> seen;  // newest round, how many
    for (std::uint64_t at = kPage; at < *size; at += kPage) {
        const auto bytes = window.at(at, RoundHeader::kSize);
        if (!bytes) return std::unexpected(bytes.error());
        if (bytes->size() < RoundHeader::kSize) break;
        ByteReader in(bytes->substr(4));
        const auto generation = in.get<std::uint32_t>();
        const auto header = decode_round_header(*bytes, generation);
        if (!header) continue;
        auto& [lsn, count] = seen[generation];
        lsn = std::max(lsn, header->lsn);
        ++count;
    }
    // What an earlier life left has smaller LSNs.
    std::optional<std::uint32_t> best;
    Lsn newest = 0;
    for (const auto& [generation, what] : seen) {
        if (what.first > newest) {
            newest = what.first;
            best = generation;
        }
    }
    return best;
}

base::Result<std::optional<Trailer>> read_trailer(const base::File& file, const SegmentHeader& header) {
    std::string bytes(Trailer::kSize, '\0');
    if (header.size < kPage + Trailer::kSize) return std::nullopt;
    const auto got = file.read(header.size - Trailer::kSize, bytes);
    if (!got) return std::unexpected(got.error());
    bytes.resize(*got);
    const auto trailer = decode_trailer(bytes, header.generation);
    if (!trailer || std::uint64_t{trailer->index_offset} + trailer->index_length > header.size) return std::nullopt;
    return trailer;
}

base::Result<std::optional<SealedIndex>> read_index(const base::File& file, const SegmentHeader& header) {
    const auto trailer = read_trailer(file, header);
    if (!trailer) return std::unexpected(trailer.error());
    if (!*trailer) return std::nullopt;
    std::string bytes((*trailer)->index_length, '\0');
    const auto got = file.read((*trailer)->index_offset, bytes);
    if (!got) return std::unexpected(got.error());
    SealedIndex index{**trailer, {}};
    if (*got != bytes.size() || base::crc32c(header.generation, bytes) != index.trailer.index_crc)
        return std::nullopt;
    if (!decode_index(bytes, index.entries)) return std::nullopt;
    return index;
}

}  // namespace posthorn::spool
