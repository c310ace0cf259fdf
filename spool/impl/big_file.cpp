#include "spool/impl/big_file.hpp"

#include "base/crc32c.hpp"

namespace posthorn::spool {

BigFile::BigFile(std::shared_ptr<const Files> files, const std::string& name)
    : files_(std::move(files)), path_(files_->at.big + '/' + name + ".part") {}

BigFile::~BigFile() {
    if (!path_.empty() && file_ != nullptr) (void)files_->disk->unlink(path_);
}

base::Result<void> BigFile::failed(base::Error error) {
    error_ = error;
    return std::unexpected(std::move(error));
}

base::Result<void> BigFile::write(std::string_view bytes) {
    if (error_) return std::unexpected(*error_);
    if (file_ == nullptr) {
        auto opened = files_->disk->open(path_, base::OpenMode::create);
        if (!opened) return failed(opened.error());
        file_ = std::move(*opened);
    }
    if (auto written = file_->write(size_, bytes); !written) return failed(written.error());
    size_ += bytes.size();
    crc_ = base::crc32c(crc_, bytes);
    return {};
}

base::Result<void> BigFile::finish(const base::Ulid& id) {
    if (auto exists = write({}); !exists) return exists;
    // The name first: where the filesystem has a journal, one commit then makes both durable and the directory's sync
    // finds little to do. No record speaks of the file yet, so one that a crash leaves half-written is an orphan.
    const auto path = files_->at.big + '/' + id.to_string();
    if (auto renamed = files_->disk->rename(path_, path); !renamed) return failed(renamed.error());
    path_ = path;
    if (auto synced = file_->sync(); !synced) return failed(synced.error());
    if (auto synced = files_->big_names->sync(); !synced) return failed(synced.error());
    return {};
}

}  // namespace posthorn::spool
