// The drop folder: takes in what local programs put there, one file a message (docs/spool.md). A thread of its own,
// woken by inotify and once in a while.
//
// What is in the files was written by any local user of the folder's group: nothing of it is believed but what is
// checked here and by `vetting`; the submitter is the file's owner.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>

#include "spool/impl/log_queue.hpp"
#include "spool/spool.hpp"

namespace posthorn::spool {

class Incoming {
public:
    Incoming(LogQueue& queue, const base::Clock& clock, Vetting vetting, Taken taken = {});
    ~Incoming();  // ends the thread
    Incoming(const Incoming&) = delete;
    Incoming& operator=(const Incoming&) = delete;

    // Before the queue announces what it recovered: files that were taken in already and not yet removed go, so that
    // none is taken in again after its message is done.
    void forget_taken();
    // Takes what is there. True: some of it must wait (the disk is full ...) and was left.
    bool scan();
    // Starts the thread. Without inotify it looks every few seconds.
    void start();

private:
    enum class Fate { taken, later, refused };
    struct Drop;

    Fate take(const std::string& name);
    bool discard(const std::string& name, const base::Ulid& id);
    bool discard_left();
    base::Result<Drop> read_head(const std::string& name) const;
    base::Result<void> read_body(Drop& drop) const;
    base::Result<void> admit(Drop& drop) const;
    Fate refuse(const std::string& name, const base::Error& error);
    bool remove(const std::string& name);
    void run();
    bool wait(bool soon);

    LogQueue& queue_;
    const base::Clock& clock_;
    Vetting vetting_;
    Taken taken_;
    std::shared_ptr<const Files> files_;
    std::uint64_t names_ = 0;
    // Taken in, but their files could not be removed for good: that is tried again, and nothing else done with them.
    std::map<base::Ulid, std::string> left_;
    int inotify_ = -1;
    int stop_ = -1;  // an eventfd
    std::thread thread_;
};

// The id a file is taken in under: the same for the same file as often as it is looked at, and never that of another
// user's file.
base::Ulid drop_id(const base::FileStatus& status, std::string_view name);

}  // namespace posthorn::spool
