#include "spool/impl/segment_store.hpp"

#include <algorithm>
#include <cerrno>

#include "base/log.hpp"

namespace posthorn::spool {
namespace {

constexpr std::size_t kFillChunk = std::size_t{1} << 20;

std::string header_page(const SegmentHeader& header) {
    std::string page;
    encode(header, page);
    page.resize(kPage, '\0');
    return page;
}

}  // namespace

SegmentStore::SegmentStore(base::Disk& disk, std::string directory, std::uint64_t size, const base::Clock& clock,
                           base::Random& random)
    : disk_(disk), directory_(std::move(directory)), size_(size), clock_(clock), random_(random) {}

void SegmentStore::resume(std::uint32_t next_number, std::deque<std::string> spares) {
    const std::lock_guard lock(mutex_);
    next_number_ = next_number;
    spares_ = std::move(spares);
}

std::uint64_t SegmentStore::spare_bytes() const {
    const std::lock_guard lock(mutex_);
    return spares_.size() * size_;
}

base::Result<std::shared_ptr<const Segment>> SegmentStore::make(std::uint64_t at_least) {
    SegmentHeader header;
    std::string spare;
    {
        const std::lock_guard lock(mutex_);
        header.number = next_number_++;
        header.generation = static_cast<std::uint32_t>(random_.next());
        header.size = std::max(size_, align_up(at_least, kPage));
        if (header.size == size_ && !spares_.empty()) {
            spare = std::move(spares_.front());
            spares_.pop_front();
        }
    }
    header.created_ms = base::to_ms(clock_.wall());
    if (!spare.empty()) {
        auto reused = reuse(path(spare), header);
        if (reused) return reused;
        // The spare may be what is wrong, not the disk.
        base::log::warning("spool.spare_unusable", {{"path", spare}, {"error", reused.error().log_text}});
        (void)disk_.unlink(path(spare));
    }
    return create(header);
}

base::Result<std::shared_ptr<base::File>> SegmentStore::fill(const std::string& path, std::uint64_t size) {
    auto file = disk_.open(path, base::OpenMode::create);
    if (!file) return file;
    auto filled = (*file)->reserve(size);
    const std::string zeros(kFillChunk, '\0');
    for (std::uint64_t at = 0; filled && at < size; at += kFillChunk) {
        const auto chunk = std::string_view(zeros).substr(0, std::min<std::uint64_t>(kFillChunk, size - at));
        filled = (*file)->write(at, chunk);
    }
    if (filled) filled = (*file)->sync();
    if (filled) return file;
    (void)disk_.unlink(path);
    return std::unexpected(filled.error());
}

base::Result<void> SegmentStore::enter(const std::string& from, base::File& file, const SegmentHeader& header) {
    if (auto written = file.write(0, std::string_view(header_page(header))); !written) return written;
    if (auto synced = file.sync(); !synced) return synced;
    if (auto renamed = disk_.rename(from, path(segment_name(header.number))); !renamed) return renamed;
    auto synced = disk_.sync_directory(directory_);
    if (!synced) (void)disk_.unlink(path(segment_name(header.number)));
    return synced;
}

base::Result<std::shared_ptr<const Segment>> SegmentStore::reuse(const std::string& spare, SegmentHeader header) {
    auto file = disk_.open(spare, base::OpenMode::read_write);
    if (!file) return std::unexpected(file.error());
    const auto size = (*file)->size();
    if (!size) return std::unexpected(size.error());
    if (*size != header.size) return base::fail(base::ErrorKind::internal, spare + ": not of the segments' size");
    if (auto entered = enter(spare, **file, header); !entered) return std::unexpected(entered.error());
    return std::make_shared<const Segment>(header, path(segment_name(header.number)), *file);
}

base::Result<std::shared_ptr<const Segment>> SegmentStore::create(SegmentHeader header) {
    const auto fresh = path(segment_name(header.number)) + std::string(kNewSuffix);
    auto file = fill(fresh, header.size);
    if (!file) return std::unexpected(file.error());
    if (auto entered = enter(fresh, **file, header); !entered) {
        (void)disk_.unlink(fresh);
        return std::unexpected(entered.error());
    }
    return std::make_shared<const Segment>(header, path(segment_name(header.number)), *file);
}

base::Result<void> SegmentStore::free(const std::shared_ptr<const Segment>& segment) {
    const auto name = segment_name(segment->header.number) + std::string(kSpareSuffix);
    // One reference unless a body is being read from it: then its space is not for others.
    bool keep = segment.use_count() == 1 && segment->header.size == size_;
    {
        const std::lock_guard lock(mutex_);
        keep = keep && spares_.size() < kSpares;
    }
    auto gone = keep ? disk_.rename(segment->path, path(name)) : disk_.unlink(segment->path);
    if (!gone && gone.error().code == ENOENT) gone = {};  // an earlier call came this far
    if (gone) gone = disk_.sync_directory(directory_);
    if (gone && keep) {
        const std::lock_guard lock(mutex_);
        spares_.push_back(name);
    }
    return gone;
}

}  // namespace posthorn::spool
