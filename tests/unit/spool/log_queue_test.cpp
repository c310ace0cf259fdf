// The durable queue in trouble: full disks, failing syncs, damage, crashes; and what it does with memory.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "base/log.hpp"
#include "mail/envelope_codec.hpp"
#include "spool/impl/log_queue.hpp"
#include "spool/spool.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/unit/spool/queue_contract.hpp"

using namespace posthorn;
using namespace posthorn::spool;

namespace {

class Harness final : public QueueHarness {
public:
    Harness() {
        const Directories dirs("/spool");
        for (const auto& dir : {dirs.root, dirs.log, dirs.big, dirs.corrupt, dirs.incoming})
            (void)disk->make_directory(dir, 0700);
        config.directory = "/spool";
        config.segment_size = 1 << 20;
        open();
        attach();
    }
    ~Harness() override { queue_->stop(); }
    Queue& queue() override { return *queue_; }
    void restart() override {
        queue_.reset();
        open();
        attach();
    }
    void kill() {
        disk->kill();
        restart();
    }
    void open() {
        auto opened = LogQueue::open(config, {loops, *pool, loops.clock(), metrics, disk,
                                              std::make_unique<base::SeededRandom>(++opens_), nullptr, nullptr});
        REQUIRE(opened.has_value());
        queue_ = std::move(*opened);
    }
    // Until mail is taken (or not), as the probe sees it.
    bool until_writable(bool yes) {
        return until([&] { return queue().stats().writable == yes; });
    }

    base::log::Capture quiet;
    Config config;
    std::shared_ptr<test::FaultDisk> disk = std::make_shared<test::FaultDisk>(5);
    std::unique_ptr<net::Pool> pool = loops.make_pool("disk", 1000);
    base::Metrics metrics;

private:
    std::uint64_t opens_ = 100;
    std::unique_ptr<LogQueue> queue_;
};

}  // namespace

TEST_CASE("below the reserve mail is refused with 4.3.1, and taken again when there is space") {
    Harness h;
    h.disk->set_free(h.config.reserve - 1);
    REQUIRE(h.until_writable(false));
    CHECK_FALSE(h.queue().broken());  // full is not broken
    const auto refused = h.commit(h.new_id(), "x");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().status == "4.3.1");
    CHECK(refused.error().kind == base::ErrorKind::temporary);
    CHECK_FALSE(h.queue().probe().has_value());
    h.disk->set_free(h.config.reserve + (1 << 30));
    REQUIRE(h.until_writable(true));
    CHECK(h.commit(h.new_id(), "x").has_value());
    CHECK(h.queue().probe().has_value());
}

TEST_CASE("a failing disk: 4.3.0, not writable, well again by itself; nothing that was promised is lost") {
    Harness h;
    const auto before = h.new_id();
    REQUIRE(h.commit(before, "promised").has_value());
    h.disk->fail_if([](test::DiskOp op, const std::string&) { return op == test::DiskOp::sync ? EIO : 0; });
    const auto failed = h.commit(h.new_id(), "refused");
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().status == "4.3.0");
    REQUIRE(h.until_writable(false));
    CHECK(h.queue().broken());
    CHECK_FALSE(h.queue().stats().trouble.empty());
    CHECK_FALSE(h.commit(h.new_id(), "refused at begin").has_value());
    CHECK(h.load(before).has_value());
    h.disk->fail_never();
    REQUIRE(h.until_writable(true));
    CHECK_FALSE(h.queue().broken());
    const auto after = h.new_id();
    REQUIRE(h.commit(after, "again").has_value());
    h.kill();
    CHECK(QueueHarness::bytes(*h.load(before)->body) == "promised");
    CHECK(QueueHarness::bytes(*h.load(after)->body) == "again");
    CHECK(h.queue().stats().messages == 2);
    CHECK(h.queue().stats().quarantined == 0);
}

TEST_CASE("a large body that cannot be written leaves nothing behind") {
    Harness h;
    h.disk->fail_if([](test::DiskOp op, const std::string& path) {
        return op == test::DiskOp::write && path.contains("/big/") ? ENOSPC : 0;
    });
    const auto failed = h.commit(h.new_id(), std::string(300'000, 'x'));
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().status == "4.3.1");
    h.disk->fail_never();
    REQUIRE(h.until([&] { return h.disk->list("/spool/big")->empty(); }));
}

TEST_CASE("the file of a large body goes with its message") {
    Harness h;
    const auto id = h.new_id();
    REQUIRE(h.commit(id, std::string(300'000, 'x')).has_value());
    CHECK(h.disk->list("/spool/big")->size() == 1);
    auto change = attempt(id, 0, 1);
    change.done = true;
    REQUIRE(h.record(std::move(change)).has_value());
    REQUIRE(h.until([&] { return h.disk->list("/spool/big")->empty(); }));
}

TEST_CASE("a message found damaged leaves the queue for corrupt/ and does not come back") {
    Harness h;
    const auto id = h.new_id();
    REQUIRE(h.commit(id, "a body to spoil").has_value());
    const auto names = h.disk->list("/spool/log");
    for (const auto& name : *names) {
        const auto content = h.disk->content("/spool/log/" + name);
        const auto at = content.find("a body to spoil");
        if (at != std::string::npos) h.disk->overwrite("/spool/log/" + name, at, "A");
    }
    const auto loaded = h.load(id);
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().kind == base::ErrorKind::permanent);
    CHECK(h.queue().stats().quarantined == 1);
    REQUIRE(h.until([&] { return h.queue().stats().messages == 0; }));
    CHECK(h.disk->list("/spool/corrupt")->size() == 1);
    h.restart();
    CHECK(h.queue().stats().messages == 0);
}

TEST_CASE("a message whose big body is gone or short is found once: the next start knows nothing of it") {
    Harness h;
    const auto gone = h.new_id();
    const auto cut = h.new_id();
    const auto good = h.new_id();
    for (const auto& id : {gone, cut, good}) REQUIRE(h.commit(id, std::string(300'000, 'x')).has_value());
    REQUIRE(h.until([&] { return h.told_in_all() == 3; }));
    h.disk->kill();
    REQUIRE(h.disk->unlink("/spool/big/" + gone.to_string()).has_value());
    h.disk->put("/spool/big/" + cut.to_string(), "what is left");
    h.restart();
    REQUIRE(h.until([&] { return h.told_in_all() == 1; }));
    CHECK(h.queue().stats().quarantined == 2);
    CHECK(h.queue().stats().messages == 1);
    auto aside = *h.disk->list("/spool/corrupt");
    std::ranges::sort(aside);
    std::vector<std::string> wanted{cut.to_string() + ".body", cut.to_string() + ".record",
                                    gone.to_string() + ".record"};
    std::ranges::sort(wanted);
    CHECK(aside == wanted);
    CHECK(h.disk->content("/spool/corrupt/" + cut.to_string() + ".body") == "what is left");
    h.restart();
    CHECK(h.queue().stats().quarantined == 0);
    CHECK(h.queue().stats().messages == 1);
    CHECK(h.disk->list("/spool/corrupt")->size() == 3);
    CHECK(h.load(good).has_value());
}

TEST_CASE("an envelope larger than can be read back is not promised") {
    Harness h;
    const auto id = h.new_id();
    auto envelope = Harness::envelope(id);
    mail::Recipient recipient;
    recipient.address = {std::string(64, 'l'), "example.net"};
    recipient.orcpt = "rfc822;" + std::string(490, 'o');
    envelope.recipients.assign(mail::kMaxEnvelopeSize / 500, recipient);
    const auto committed = h.commit(std::move(envelope), "body");
    REQUIRE_FALSE(committed.has_value());
    CHECK(committed.error().kind == base::ErrorKind::permanent);
    CHECK(committed.error().status == "5.5.3");
    h.restart();
    CHECK(h.queue().stats().messages == 0);
    CHECK(h.queue().stats().quarantined == 0);
}

TEST_CASE("bodies beyond the budget go to the disk at once, and memory is given back") {
    Harness h;
    h.config.memory_budget = 40'000;
    h.restart();
    std::vector<base::Ulid> ids;
    for (int i = 0; i < 10; ++i) {
        ids.push_back(h.new_id());
        REQUIRE(h.commit(ids.back(), std::string(15'000, static_cast<char>('a' + i))).has_value());
        CHECK(h.queue().stats().memory_used <= h.config.memory_budget);
    }
    for (std::size_t i = 0; i < ids.size(); ++i)
        CHECK(QueueHarness::bytes(*h.load(ids[i])->body) == std::string(15'000, static_cast<char>('a' + i)));
    for (auto& owner : h.owners) owner->told.clear();
    REQUIRE(h.until([&] { return h.queue().stats().memory_used == 0; }));
}

TEST_CASE("the log is cleaned behind the scenes") {
    Harness h;
    const auto stays = h.new_id();
    REQUIRE(h.commit(stays, "stays").has_value());
    for (int i = 0; i < 200; ++i) {
        const auto id = h.new_id();
        REQUIRE(h.commit(id, std::string(40'000, 'x')).has_value());
        auto change = attempt(id, 0, 1);
        change.done = true;
        REQUIRE(h.record(std::move(change)).has_value());
    }
    REQUIRE(h.until([&] { return h.queue().stats().segments <= 3; }));
    CHECK(QueueHarness::bytes(*h.load(stays)->body) == "stays");
    h.kill();
    CHECK(QueueHarness::bytes(*h.load(stays)->body) == "stays");
}

TEST_CASE("fails at each step in turn: after a kill what was promised is there, and no more than was asked for") {
    // How many operations a run without failures takes.
    for (std::size_t nth = 0; nth < 40; ++nth) {
        CAPTURE(nth);
        Harness h;
        std::vector<base::Ulid> promised;
        std::vector<base::Ulid> asked;
        h.disk->fail_at(nth, nth % 2 == 0 ? EIO : ENOSPC, 1 + nth % 3);
        for (const std::size_t size : {100, 200'000, 100}) {
            const auto id = h.new_id();
            asked.push_back(id);
            if (h.commit(id, std::string(size, 'x'))) promised.push_back(id);
        }
        h.kill();
        for (const auto& id : promised) CHECK(h.load(id).has_value());
        CHECK(h.queue().stats().messages <= asked.size());
        CHECK(h.queue().stats().quarantined == 0);
    }
}

TEST_CASE("refused starts: memory filesystems, a spool in use") {
    net::SimLoops loops;
    const auto pool = loops.make_pool("disk", 10);
    base::Metrics metrics;
    Config config;
    config.segment_size = kMinSegmentSize;
    if (const auto kind = base::posix_disk()->persistence("/dev/shm"); kind == base::Persistence::tmpfs) {
        char name[] = "/dev/shm/posthorn-spool-XXXXXX";
        config.directory = ::mkdtemp(name);
        const auto refused = open_queue(config, loops, *pool, loops.clock(), metrics);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().kind == base::ErrorKind::permanent);
        CHECK(refused.error().log_text.contains("--ephemeral"));
        config.ephemeral = true;
        {
            const base::log::Capture quiet;
            auto first = open_queue(config, loops, *pool, loops.clock(), metrics);
            REQUIRE(first.has_value());
            const auto second = open_queue(config, loops, *pool, loops.clock(), metrics);
            REQUIRE_FALSE(second.has_value());
            CHECK(second.error().log_text.contains("in use"));
        }
        std::filesystem::remove_all(config.directory);
    }
}
