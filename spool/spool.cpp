#include "spool/spool.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "spool/impl/incoming.hpp"
#include "spool/impl/log_queue.hpp"

namespace posthorn::spool {
namespace {

std::unexpected<base::Error> refusal(std::string text) {
    return base::fail(base::ErrorKind::permanent, std::move(text));
}

base::Result<void> make_directories(base::Disk& disk, const Directories& at) {
    struct Wanted {
        const std::string& path;
        unsigned mode;
    };
    // incoming/: those of its group may put files there, and neither list them nor touch each other's.
    for (const auto& [path, mode] :
         {Wanted{at.root, 0710}, {at.log, 0700}, {at.big, 0700}, {at.corrupt, 0700}, {at.incoming, 01730}}) {
        if (auto made = disk.make_directory(path, mode); !made) return made;
    }
    return disk.sync_directory(at.root);
}

base::Result<void> check_persistence(base::Disk& disk, const Config& config) {
    if (config.ephemeral) return {};
    const auto kind = disk.persistence(config.directory);
    if (!kind) return std::unexpected(kind.error());
    std::string what;
    switch (*kind) {
        case base::Persistence::durable: return {};
        case base::Persistence::tmpfs: what = "a tmpfs"; break;
        case base::Persistence::ramfs: what = "a ramfs"; break;
        case base::Persistence::volatile_overlay: what = "a volatile overlay"; break;
    }
    return refusal(config.directory + " is on " + what +
                   ": a restart would lose acknowledged mail. Put the spool on a disk, or start with --ephemeral");
}

// Held until the last reference goes.
base::Result<std::shared_ptr<void>> lock_directory(const std::string& directory) {
    const auto path = directory + "/lock";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return base::fail_errno("open " + path, errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const int code = errno;
        ::close(fd);
        if (code == EWOULDBLOCK) return refusal(directory + " is in use by another posthornd");
        return base::fail_errno("flock " + path, code);
    }
    return std::shared_ptr<void>(nullptr, [fd](void*) { ::close(fd); });
}

}  // namespace

base::Result<std::unique_ptr<Queue>> open_queue(Config config, net::LoopGroup& loops, net::Pool& disk,
                                                const base::Clock& clock, base::Metrics& metrics, Vetting vetting,
                                                Taken taken) {
    std::shared_ptr<base::Disk> files = base::posix_disk();
    const Directories at(config.directory);
    if (auto made = make_directories(*files, at); !made) return std::unexpected(made.error());
    if (auto good = check_persistence(*files, config); !good) return std::unexpected(good.error());
    auto lock = lock_directory(config.directory);
    if (!lock) return std::unexpected(lock.error());
    auto in_hand = InHand::open(config.directory + "/in-hand");
    if (!in_hand) return std::unexpected(in_hand.error());
    const bool drops = config.incoming;
    auto queue = LogQueue::open(std::move(config),
                                LogQueuePorts{loops, disk, clock, metrics, std::move(files), base::system_random(),
                                              std::move(*in_hand), std::move(*lock)});
    if (!queue) return std::unexpected(queue.error());
    if (drops) {
        auto incoming = std::make_unique<Incoming>(**queue, clock, std::move(vetting), std::move(taken));
        incoming->forget_taken();
        (*queue)->use(std::move(incoming));
    }
    return std::move(*queue);
}

}  // namespace posthorn::spool
