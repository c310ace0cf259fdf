#include "spool/impl/incoming.hpp"

#include <doctest/doctest.h>

#include "base/log.hpp"
#include "mail/envelope_codec.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/unit/spool/queue_contract.hpp"

using namespace posthorn;
using namespace posthorn::spool;

namespace {

constexpr const char* kFolder = "/spool/incoming/";

class DropHarness final : public QueueHarness {
public:
    DropHarness() : QueueHarness(1) {
        const Directories dirs("/spool");
        for (const auto& dir : {dirs.root, dirs.log, dirs.big, dirs.corrupt, dirs.incoming})
            (void)disk->make_directory(dir, 0700);
        open();
        attach();
    }
    ~DropHarness() override { queue_->stop(); }
    Queue& queue() override { return *queue_; }
    void restart() override {
        {
            const base::log::Capture quiet;
            queue_.reset();
        }
        open();
    }
    void open() {
        Config config;
        config.directory = "/spool";
        config.segment_size = 1 << 20;
        auto opened = LogQueue::open(config, {loops, *pool, loops.clock(), metrics, disk,
                                              std::make_unique<base::SeededRandom>(++opens_), nullptr, nullptr});
        REQUIRE(opened.has_value());
        queue_ = std::move(*opened);
        incoming = std::make_unique<Incoming>(*queue_, loops.clock(),
                                              [this](mail::Envelope& e, uid_t uid, std::string_view header) {
                                                  CHECK(uid == 1000);
                                                  last_header = header;
                                                  e.trace_headers = "Received: from userid 1000\r\n";
                                                  return vetted;
                                              });
    }
    void drop(const std::string& name, const std::string& body) {
        disk->put(kFolder + name, mail::encode_envelope(envelope(new_id())) + body);
    }
    std::size_t aside() { return disk->list("/spool/corrupt")->size(); }

    std::shared_ptr<test::FaultDisk> disk = std::make_shared<test::FaultDisk>(5);
    std::unique_ptr<net::Pool> pool = loops.make_pool("disk", 1000);
    base::Metrics metrics;
    base::Result<void> vetted;
    std::string last_header;
    std::unique_ptr<Incoming> incoming;

private:
    std::uint64_t opens_ = 100;
    std::unique_ptr<LogQueue> queue_;
};

}  // namespace

TEST_CASE("a drop is taken in, its file goes, its owner is told") {
    DropHarness h;
    h.drop("one", "Subject: x\r\n\r\nhello\r\n");
    h.drop("two", "Subject: x\r\n\r\n" + std::string(200'000, 'y') + "\r\n");
    h.drop(".being-written", "half");
    CHECK_FALSE(h.incoming->scan());
    REQUIRE(h.until([&] { return h.told_in_all() == 2; }));
    const auto& told = h.owners[0]->told[0];
    CHECK(QueueHarness::bytes(*told.body) == "Subject: x\r\n\r\nhello\r\n");
    CHECK(told.envelope->metadata.at("submitter_uid") == "1000");
    CHECK_FALSE(told.envelope->metadata.contains("service"));
    CHECK(told.envelope->trace_headers == "Received: from userid 1000\r\n");
    CHECK(told.envelope->recipients.size() == 2);
    CHECK(h.last_header == "Subject: x\r\n");
    CHECK(h.disk->list("/spool/incoming") == std::vector<std::string>{".being-written"});
    CHECK(h.load(h.owners[0]->told[1].id)->body->size() > 200'000);
}

TEST_CASE("what is no message, or not allowed, is put aside") {
    const base::log::Capture quiet;
    DropHarness h;
    h.disk->put(std::string(kFolder) + "junk", "junk");
    h.drop("bare-lf", "Subject: x\n\nhello\n");
    h.drop("bare-cr", "a\rb\r\n");
    h.drop("nul", std::string("a\0b\r\n", 5));
    h.drop("no-end", "a");
    CHECK_FALSE(h.incoming->scan());
    CHECK(h.aside() == 5);
    h.vetted = base::fail(base::ErrorKind::permanent, "not your address");
    h.drop("forged", "a\r\n");
    CHECK_FALSE(h.incoming->scan());
    CHECK(h.aside() == 6);
    CHECK(h.queue().stats().messages == 0);
    CHECK(h.disk->list("/spool/incoming")->empty());
}

TEST_CASE("while the disk fails a drop waits") {
    const base::log::Capture quiet;
    DropHarness h;
    h.drop("one", "hello\r\n");
    h.disk->fail_if([](test::DiskOp op, const std::string&) { return op == test::DiskOp::sync ? EIO : 0; });
    CHECK(h.incoming->scan());
    CHECK(h.aside() == 0);
    h.disk->fail_never();
    REQUIRE(h.until([&] { return !h.incoming->scan(); }));
    REQUIRE(h.until([&] { return h.told_in_all() == 1; }));
}

TEST_CASE("a drop whose file could not be removed before the crash is not taken again") {
    const base::log::Capture quiet;
    DropHarness h;
    h.drop("one", "hello\r\n");
    h.disk->fail_if([](test::DiskOp op, const std::string&) { return op == test::DiskOp::unlink ? EIO : 0; });
    CHECK(h.incoming->scan());
    CHECK(h.queue().stats().messages == 1);
    CHECK(h.disk->list("/spool/incoming")->size() == 1);
    h.disk->kill();
    h.restart();
    h.incoming->forget_taken();
    CHECK(h.disk->list("/spool/incoming")->empty());
    CHECK(h.queue().stats().messages == 1);
    h.attach();
    CHECK_FALSE(h.incoming->scan());
    REQUIRE(h.until([&] { return h.told_in_all() == 1; }));
    CHECK(h.queue().stats().messages == 1);
}

TEST_CASE("a drop whose file cannot be removed is delivered once, when the file is gone") {
    const base::log::Capture quiet;
    DropHarness h;
    h.drop("one", "hello\r\n");
    SUBCASE("the file stays") {
        h.disk->fail_if([](test::DiskOp op, const std::string&) { return op == test::DiskOp::unlink ? EIO : 0; });
    }
    SUBCASE("the file goes, but perhaps not for good") {
        h.disk->fail_if([](test::DiskOp op, const std::string& path) {
            return op == test::DiskOp::sync_directory && path == "/spool/incoming" ? EIO : 0;
        });
    }
    for (int i = 0; i < 3; ++i) CHECK(h.incoming->scan());
    CHECK(h.queue().stats().messages == 1);
    CHECK(h.queue().stats().accepted == 1);
    h.loops.run_until_idle();
    CHECK(h.told_in_all() == 0);
    CHECK(walk_all(h.queue(), 1000).empty());  // delivery is not to miss it yet
    h.disk->fail_never();
    CHECK_FALSE(h.incoming->scan());
    REQUIRE(h.until([&] { return h.told_in_all() == 1; }));
    CHECK(walk_all(h.queue(), 1000).size() == 1);
    CHECK(h.disk->list("/spool/incoming")->empty());
    CHECK_FALSE(h.incoming->scan());
    CHECK(h.queue().stats().accepted == 1);
}

TEST_CASE("a drop that was recovered and is done is not taken again while its file cannot be removed") {
    const base::log::Capture quiet;
    DropHarness h;
    h.drop("one", "hello\r\n");
    const auto stays = [](test::DiskOp op, const std::string&) { return op == test::DiskOp::unlink ? EIO : 0; };
    h.disk->fail_if(stays);
    CHECK(h.incoming->scan());
    h.disk->kill();  // forgets the rule
    h.restart();
    h.disk->fail_if(stays);
    h.incoming->forget_taken();
    h.attach();
    REQUIRE(h.until([&] { return h.told_in_all() == 1; }));
    StateChange change;
    change.id = h.owners[0]->told[0].id;
    change.done = true;
    REQUIRE(h.record(std::move(change)));
    CHECK(h.queue().stats().messages == 0);
    CHECK(h.incoming->scan());
    CHECK(h.incoming->scan());
    CHECK(h.queue().stats().accepted == 0);
    h.disk->fail_never();
    CHECK_FALSE(h.incoming->scan());
    CHECK(h.disk->list("/spool/incoming")->empty());
    CHECK(h.queue().stats().messages == 0);
}

TEST_CASE("ids of drops: the same for the same file, another for another owner") {
    const base::FileStatus status{7, 100, 1000, true, 1, 1'700'000'000'000};
    auto other = status;
    other.owner = 1001;
    CHECK(drop_id(status, "a") == drop_id(status, "a"));
    CHECK(drop_id(status, "a") != drop_id(status, "b"));
    CHECK(drop_id(status, "a") != drop_id(other, "a"));
    CHECK(base::to_ms(drop_id(status, "a").time()) == 1'700'000'000'000);
}
