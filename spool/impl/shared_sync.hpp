// One sync of a directory for all who wait for one. Any thread; blocks.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "base/disk.hpp"

namespace posthorn::spool {

class SharedSync {
public:
    SharedSync(std::shared_ptr<base::Disk> disk, std::string directory);

    // Success: what had happened in the directory before the call is durable.
    base::Result<void> sync();

private:
    struct Round {
        bool over = false;
        base::Result<void> result;
    };

    std::shared_ptr<base::Disk> disk_;
    std::string directory_;
    std::mutex mutex_;
    std::condition_variable over_;
    bool running_ = false;
    std::shared_ptr<Round> next_ = std::make_shared<Round>();  // has not begun
};

}  // namespace posthorn::spool
