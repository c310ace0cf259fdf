#include "spool/impl/shared_sync.hpp"

#include <utility>

namespace posthorn::spool {

SharedSync::SharedSync(std::shared_ptr<base::Disk> disk, std::string directory)
    : disk_(std::move(disk)), directory_(std::move(directory)) {}

base::Result<void> SharedSync::sync() {
    std::unique_lock lock(mutex_);
    // One that is under way may have missed what its caller did last: only one that begins from now on counts.
    const auto mine = next_;
    over_.wait(lock, [&] { return mine->over || !running_; });
    if (mine->over) return mine->result;
    running_ = true;
    next_ = std::make_shared<Round>();
    lock.unlock();
    auto result = disk_->sync_directory(directory_);
    lock.lock();
    running_ = false;
    mine->over = true;
    mine->result = std::move(result);
    over_.notify_all();
    return mine->result;
}

}  // namespace posthorn::spool
