// Many who wait for a directory to be durable, one sync.
#include "spool/impl/shared_sync.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "tests/support/fault_disk.hpp"

namespace posthorn::spool {
namespace {

// Counts the syncs of a directory, and remembers what had happened when the newest of them began.
struct Watched {
    Watched() {
        (void)disk->make_directory("/big", 0700);
        disk->fail_if([this](test::DiskOp op, const std::string&) {
            if (op != test::DiskOp::sync_directory) return 0;
            covered = written.load();
            ++syncs;
            std::this_thread::yield();
            return code;
        });
    }
    std::shared_ptr<test::FaultDisk> disk = std::make_shared<test::FaultDisk>();
    SharedSync shared{disk, "/big"};
    std::atomic<std::uint64_t> written{0};
    std::atomic<std::uint64_t> covered{0};
    std::atomic<std::uint64_t> syncs{0};
    int code = 0;
};

TEST_CASE("a shared sync begins after all that its callers did") {
    Watched at;
    constexpr std::uint64_t kThreads = 4;
    constexpr std::uint64_t kRounds = 2000;
    std::atomic<std::uint64_t> early{0};
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t i = 0; i < kThreads; ++i) {
            threads.emplace_back([&] {
                for (std::uint64_t round = 0; round < kRounds; ++round) {
                    const auto mine = ++at.written;
                    if (!at.shared.sync() || at.covered < mine) ++early;
                }
            });
        }
    }
    CHECK(early == 0);
    CHECK(at.syncs > 0);
    CHECK(at.syncs <= kThreads * kRounds);
}

TEST_CASE("a shared sync that fails fails for its callers and for nobody after them") {
    Watched at;
    at.code = EIO;
    const auto failed = at.shared.sync();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == EIO);
    at.code = 0;
    CHECK(at.shared.sync());
}

}  // namespace
}  // namespace posthorn::spool
