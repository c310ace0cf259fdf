// What a queued message costs in memory, all of it: octets counted at operator new, with the real log below the real
// service. Deterministic but for what the threads have in hand at the moment, which the number of messages dwarfs.
#include <doctest/doctest.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <new>

#include "base/log.hpp"
#include "delivery/service.hpp"
#include "spool/spool.hpp"
#include "tests/support/fake_resolver.hpp"

namespace {
std::atomic<std::int64_t> live_octets{0};
constexpr std::int64_t kChunkHeader = 8;  // glibc's, beside what may be used
}  // namespace

void* operator new(std::size_t size) {
    void* const p = std::malloc(size);
    if (p == nullptr) throw std::bad_alloc();
    live_octets.fetch_add(static_cast<std::int64_t>(::malloc_usable_size(p)) + kChunkHeader,
                          std::memory_order_relaxed);
    return p;
}
void operator delete(void* p) noexcept {
    if (p == nullptr) return;
    live_octets.fetch_sub(static_cast<std::int64_t>(::malloc_usable_size(p)) + kChunkHeader,
                          std::memory_order_relaxed);
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { ::operator delete(p); }

using namespace posthorn;
using namespace std::chrono_literals;

namespace {

struct NoEvents final : mail::EventSink {
    void record(const mail::Event&) override {}
};

// Hosts that never answer: one attempt is under way for ever, all else waits in the line behind it.
struct Silence final : net::Connector {
    net::Task<base::Result<std::unique_ptr<net::Stream>>> connect(net::Loop& loop, net::Endpoint,
                                                                  base::SteadyTime deadline,
                                                                  std::shared_ptr<net::Cancel>) override {
        co_await net::sleep_until(loop, deadline);
        co_return base::fail(base::ErrorKind::temporary, "no answer");
    }
};

struct Folder {
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "posthorn-memory-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
};

net::Task<> fill(spool::Queue* queue, net::Loop* loop, std::uint64_t seed, std::size_t count) {
    base::SeededRandom random(seed);
    base::UlidSource ids(loop->clock(), random);
    for (std::size_t i = 0; i < count; ++i) {
        mail::Envelope envelope;
        envelope.id = ids.next();
        envelope.reverse_path = *mail::parse_address("sender@example.org");
        envelope.recipients.push_back({*mail::parse_address("r" + std::to_string(i) + "@example.com"), 0, {}});
        envelope.arrival = loop->clock().wall();
        auto body = queue->begin(*loop, 0);
        if (!body) throw std::runtime_error(body.error().log_text);
        (*body)->append("Subject: one of many\r\n\r\nbody\r\n");
        auto kept = co_await queue->commit(*loop, std::move(envelope), std::move(*body));
        if (!kept) throw std::runtime_error(kept.error().log_text);
    }
}

net::Task<> until_waiting(delivery::Service* service, net::Loop* loop, std::uint64_t count) {
    for (;;) {
        auto stats = co_await service->stats(*loop);
        if (stats && stats->waiting >= count) co_return;
        co_await net::sleep_until(*loop, loop->now() + 5ms);
    }
}

class World {
public:
    World() {
        spool::Config where;
        where.directory = folder_.path;
        where.segment_size = 4 << 20;
        where.reserve = 0;
        where.ephemeral = true;
        where.incoming = false;
        auto opened = spool::open_queue(where, *loops_, *pool_, clock_, metrics_);
        if (!opened) FAIL(opened.error().log_text);
        queue_ = std::move(*opened);
        delivery::Config config;
        config.hostname = "mail.test";
        config.timeouts.connect = 24h;
        policy::DomainRule rule;
        rule.pattern = "*";
        rule.mx_override = policy::Hop{"192.0.2.1", 25};
        config.routing.rules = {rule};
        config.routing.rate = {};
        service_ = std::make_unique<delivery::Service>(
            delivery::Deps{*loops_, *queue_, resolver_, connector_, *pool_, events_, metrics_, random_}, config);
        REQUIRE(service_->start());
        loops_->start();
    }
    ~World() {
        std::promise<void> stopped;
        service_->stop(0s, [&] { stopped.set_value(); });
        stopped.get_future().wait();
        queue_->stop();
        loops_->stop();
    }

    // So many more are in the queue and all of them wait; the octets then in use.
    std::int64_t put(std::size_t count) {
        constexpr std::size_t kSessions = 200;
        std::vector<std::promise<void>> done(kSessions);
        for (std::size_t i = 0; i < kSessions; ++i) {
            net::Loop& loop = loops_->at(i % loops_->size());
            net::spawn(loop, "fill", fill(queue_.get(), &loop, ++seed_, count / kSessions),
                       [&, i] { done[i].set_value(); });
        }
        for (auto& one : done) one.get_future().wait();
        messages_ += count / kSessions * kSessions;
        REQUIRE(queue_->stats().messages == messages_);
        std::promise<void> settled;
        net::spawn(loops_->at(0), "settle", until_waiting(service_.get(), &loops_->at(0), messages_ - 1),
                   [&] { settled.set_value(); });
        settled.get_future().wait();
        return live_octets;
    }

private:
    base::log::Capture quiet_;
    Folder folder_;
    base::SystemClock clock_;
    base::Metrics metrics_;
    base::SeededRandom random_{1};
    NoEvents events_;
    Silence connector_;
    testing::FakeResolver resolver_;
    std::unique_ptr<net::LoopGroup> loops_ = net::make_loops(2);
    std::unique_ptr<net::Pool> pool_ = net::make_pool("disk", 1, 1000);
    std::unique_ptr<spool::Queue> queue_;
    std::unique_ptr<delivery::Service> service_;
    std::uint64_t seed_ = 100;
    std::uint64_t messages_ = 0;
};

}  // namespace

// In the costliest state: each has a job in the line of its destination. 30,000 is a little beyond the point where
// the spool's table has doubled to twice what it needs.
TEST_CASE("a queued message costs less than 512 octets of memory, spool and delivery together") {
    World world;
    constexpr std::size_t kFirst = 8'000;  // beyond what waiting jobs keep warm, which is bounded by itself
    constexpr std::size_t kMore = 22'000;
    const auto before = world.put(kFirst);
    const auto after = world.put(kMore);
    const auto each = (after - before) / static_cast<std::int64_t>(kMore);
    MESSAGE("octets a message: " << each);
    CHECK(each < 512);
}

#endif
