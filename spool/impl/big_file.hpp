// A body too large for the log, on its way into a file of its own: big/<name>.part while it is written, big/<id>
// once it is whole and durable. Dropped before keep(), nothing is left. Blocking; one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.hpp"
#include "base/ulid.hpp"
#include "spool/impl/recovery.hpp"

namespace posthorn::spool {

class BigFile {
public:
    // `name`: unique among those under way.
    BigFile(std::shared_ptr<const Files> files, const std::string& name);
    ~BigFile();
    BigFile(const BigFile&) = delete;
    BigFile& operator=(const BigFile&) = delete;

    // After an error each further call gives it again.
    base::Result<void> write(std::string_view bytes);
    // Names it big/<id>, syncs file and directory: durable on success.
    base::Result<void> finish(const base::Ulid& id);
    // A record points to it now: it is not ours any more.
    void keep() { path_.clear(); }

    std::uint64_t size() const { return size_; }
    std::uint32_t crc() const { return crc_; }
    const std::shared_ptr<base::File>& file() const { return file_; }

private:
    base::Result<void> failed(base::Error error);

    std::shared_ptr<const Files> files_;
    std::string path_;  // to be removed; empty: nothing
    std::shared_ptr<base::File> file_;
    std::uint64_t size_ = 0;
    std::uint32_t crc_ = 0;
    std::optional<base::Error> error_;
};

}  // namespace posthorn::spool
