#include "server/count_queue.hpp"

#include "base/disk.hpp"
#include "server/folders.hpp"
#include "spool/spool.hpp"

namespace posthorn::server {

base::Result<std::uint64_t> count_queue(const Config& config) {
    if (const auto there = base::posix_disk()->list(config.spool.directory + "/log");
        !there && there.error().code == ENOENT)
        return 0;
    const auto identity = wanted_identity(config.server);
    if (!identity) return std::unexpected(identity.error());
    if (*identity) {
        if (auto done = become(**identity); !done) return std::unexpected(done.error());
    }
    base::SystemClock clock;
    base::Metrics metrics(1, {});
    const auto loops = net::make_loops(1);
    const auto disk = net::make_pool("disk", 1, 100);
    auto spool = config.spool;
    spool.ephemeral = true;  // what it is on is not the question
    auto queue = spool::open_queue(spool, *loops, *disk, clock, metrics);
    if (!queue) return std::unexpected(queue.error());
    const auto messages = (*queue)->stats().messages;
    (*queue)->stop();
    return messages;
}

}  // namespace posthorn::server
