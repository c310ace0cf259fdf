// The files of the log as files: made with their space written ahead, freed, reused. Blocking; a name is durable
// before the call that made it returns, its absence before the next segment is freed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/random.hpp"
#include "spool/impl/segment.hpp"

namespace posthorn::spool {

// Any thread; make() and free() may run side by side, but not each with itself.
class SegmentStore {
public:
    // `random` makes generations; it is used under this store's lock alone.
    SegmentStore(base::Disk& disk, std::string directory, std::uint64_t size, const base::Clock& clock,
                 base::Random& random);

    // What recovery found: the first number to use, and spare files.
    void resume(std::uint32_t next_number, std::deque<std::string> spares);

    // A new, empty, durable segment, from a spare file if there is one; at least `at_least` octets long. After an
    // error nothing is left of it that a later start would take for more than an empty segment.
    base::Result<std::shared_ptr<const Segment>> make(std::uint64_t at_least = 0);
    // Takes it out of the log: kept as a spare, or unlinked (spares enough, or somebody still reads from it).
    // Durable on return; after an error it is to be called again before the next one is freed. `segment` is the
    // caller's only reference.
    base::Result<void> free(const std::shared_ptr<const Segment>& segment);

    std::uint64_t size() const { return size_; }
    std::uint64_t spare_bytes() const;
    const std::string& directory() const { return directory_; }

    // Spare files kept, beside the segment made ahead: writing into space that was written before is what makes a
    // sync cheap, and filling a new file with zeros costs as much as the mail that goes into it.
    static constexpr std::size_t kSpares = 2;

private:
    base::Result<std::shared_ptr<base::File>> fill(const std::string& path, std::uint64_t size);
    base::Result<std::shared_ptr<const Segment>> reuse(const std::string& spare, SegmentHeader header);
    base::Result<std::shared_ptr<const Segment>> create(SegmentHeader header);
    base::Result<void> enter(const std::string& from, base::File& file, const SegmentHeader& header);
    std::string path(const std::string& name) const { return directory_ + '/' + name; }

    base::Disk& disk_;
    std::string directory_;
    std::uint64_t size_;
    const base::Clock& clock_;
    base::Random& random_;
    mutable std::mutex mutex_;  // guards what follows; not held while the disk works
    std::uint32_t next_number_ = 1;
    std::deque<std::string> spares_;  // names
};

inline constexpr std::string_view kSpareSuffix = ".spare";
inline constexpr std::string_view kNewSuffix = ".new";

}  // namespace posthorn::spool
