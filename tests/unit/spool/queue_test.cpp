// The one contract of the queue port, for every backend.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/log.hpp"
#include "spool/impl/log_queue.hpp"
#include "spool/memory.hpp"
#include "spool/spool.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/unit/spool/queue_contract.hpp"

using namespace posthorn;
using namespace posthorn::spool;

namespace {

class MemoryHarness final : public QueueHarness {
public:
    Queue& queue() override { return queue_; }
    void restart() override { attach(); }

private:
    MemoryQueue queue_{loops};
};

// The durable queue on a disk in memory; a restart is a kill.
class FaultDiskHarness final : public QueueHarness {
public:
    FaultDiskHarness() {
        const Directories dirs("/spool");
        for (const auto& dir : {dirs.root, dirs.log, dirs.big, dirs.corrupt, dirs.incoming})
            (void)disk->make_directory(dir, 0700);
        open();
    }
    ~FaultDiskHarness() override { queue_->stop(); }
    Queue& queue() override { return *queue_; }
    void restart() override {
        disk->kill();
        {
            const base::log::Capture quiet;  // of what a dead disk says to its last writers
            queue_.reset();
        }
        open();
        attach();
    }
    void open() {
        Config config;
        config.directory = "/spool";
        config.segment_size = 1 << 20;
        auto opened = LogQueue::open(config, {loops, *pool, loops.clock(), metrics, disk,
                                              std::make_unique<base::SeededRandom>(++opens_), nullptr, nullptr});
        REQUIRE(opened.has_value());
        queue_ = std::move(*opened);
    }

    std::shared_ptr<test::FaultDisk> disk = std::make_shared<test::FaultDisk>(5);
    std::unique_ptr<net::Pool> pool = loops.make_pool("disk", 1000);
    base::Metrics metrics;

private:
    std::uint64_t opens_ = 100;
    std::unique_ptr<LogQueue> queue_;
};

// The durable queue as the server opens it; a restart is a clean one.
class RealDiskHarness final : public QueueHarness {
public:
    RealDiskHarness() {
        char name[] = "/tmp/posthorn-spool-XXXXXX";
        path_ = ::mkdtemp(name);
        open();
    }
    ~RealDiskHarness() override {
        queue_.reset();
        std::filesystem::remove_all(path_);
    }
    Queue& queue() override { return *queue_; }
    void restart() override {
        queue_.reset();
        open();
        attach();
    }

private:
    void open() {
        Config config;
        config.directory = path_;
        config.segment_size = kMinSegmentSize;
        config.reserve = 0;
        config.ephemeral = true;  // wherever the tests run
        auto opened = open_queue(config, loops, *pool_, loops.clock(), metrics_);
        REQUIRE(opened.has_value());
        queue_ = std::move(*opened);
    }
    std::string path_;
    std::unique_ptr<net::Pool> pool_ = loops.make_pool("disk", 1000);
    base::Metrics metrics_;
    std::unique_ptr<Queue> queue_;
};

}  // namespace

#define QUEUES MemoryHarness, FaultDiskHarness, RealDiskHarness

TEST_CASE_TEMPLATE("queue: what is committed is told to its owner and can be read back", H, QUEUES) {
    H h;
    contract_commit(h);
}
TEST_CASE_TEMPLATE("queue: states are merged and outlive a restart", H, QUEUES) {
    H h;
    contract_states(h);
}
TEST_CASE_TEMPLATE("queue: changes of one message happen in their order", H, QUEUES) {
    H h;
    contract_many_records_in_order(h);
}
TEST_CASE_TEMPLATE("queue: births happen with the change that makes them, once", H, QUEUES) {
    H h;
    contract_births(h);
}
TEST_CASE_TEMPLATE("queue: what is done is forgotten", H, QUEUES) {
    H h;
    contract_done(h);
}
TEST_CASE_TEMPLATE("queue: owners that come later are told of all, once", H, QUEUES) {
    H h;
    contract_attach_later(h);
}
TEST_CASE_TEMPLATE("queue: a walk finds what is not done", H, QUEUES) {
    H h;
    contract_walk(h);
}
TEST_CASE_TEMPLATE("queue: after stop nothing is taken", H, QUEUES) {
    H h;
    contract_stop(h);
}
