// The service on real threads: many messages, several loops, an operator and reloads at the same time.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "delivery/service.hpp"
#include "spool/memory.hpp"
#include "tests/support/fake_connector.hpp"
#include "tests/support/fake_resolver.hpp"
#include "tests/support/orders.hpp"
#include "tests/support/smtp_peer.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kLoops = 3;
constexpr int kDomains = 20;
constexpr int kMessages = 2000;

std::string domain(int n) { return "d" + std::to_string(n) + ".test"; }

// The fakes live on one thread: each loop has its own.
struct PerLoopConnector final : net::Connector {
    net::Task<base::Result<std::unique_ptr<net::Stream>>> connect(net::Loop& loop, net::Endpoint to,
                                                                  base::SteadyTime deadline,
                                                                  std::shared_ptr<net::Cancel> cancel) override {
        auto stream = co_await fakes[loop.index()].connect(loop, std::move(to), deadline, std::move(cancel));
        co_return stream;
    }
    FakeConnector fakes[kLoops];
};

struct PerLoopResolver final : net::Resolver {
    net::Task<net::MxAnswer> mx(net::Loop& loop, std::string name) override {
        auto answer = co_await fakes[loop.index()].mx(loop, std::move(name));
        co_return answer;
    }
    net::Task<net::AddressAnswer> addresses(net::Loop& loop, std::string name) override {
        auto answer = co_await fakes[loop.index()].addresses(loop, std::move(name));
        co_return answer;
    }
    net::Task<net::TxtAnswer> txt(net::Loop& loop, std::string name) override {
        auto answer = co_await fakes[loop.index()].txt(loop, std::move(name));
        co_return answer;
    }
    net::DnsHealth health() const override { return {}; }
    void clear_cache(std::string) override {}
    std::vector<net::DnsCached> cached(const std::string&, std::size_t, base::SteadyTime) const override {
        return {};
    }
    FakeResolver fakes[kLoops];
};

struct Ends final : mail::EventSink {
    void record(const mail::Event& event) override {
        if (event.kind == mail::EventKind::done) ++done;
        if (event.kind == mail::EventKind::delivered) ++delivered;
    }
    std::atomic<int> done{0};
    std::atomic<int> delivered{0};
};

net::Task<> harass(delivery::Service* service, net::Loop* loop, std::atomic<bool>* enough) {
    for (int n = 0; !*enough; ++n) {
        delivery::Selector which;
        if (n % 2 == 0) which.domain = domain(n % kDomains);
        auto frozen = co_await freeze(*service, *loop, which);
        delivery::ListQuery query;
        auto list = co_await service->list(*loop, query);
        auto stats = co_await service->stats(*loop);
        auto thawed = co_await unfreeze(*service, *loop, which);
        auto retried = co_await retry(*service, *loop, which);
        if (!frozen || !list || !stats || !thawed || !retried) throw std::runtime_error("an order failed");
        co_await net::sleep_until(*loop, loop->now() + 3ms);
    }
}

bool wait_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 6000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
    return condition();
}

}  // namespace

TEST_CASE("every message is delivered once, whatever operators and reloads do meanwhile") {
    auto loops = net::make_loops(kLoops);
    auto pool = net::make_pool("disk", 1, 1000);
    spool::MemoryQueue queue(*loops);
    PerLoopConnector connector;
    PerLoopResolver resolver;
    std::vector<std::unique_ptr<SmtpPeer>> peers;
    for (std::size_t l = 0; l < kLoops; ++l) {
        for (int d = 0; d < kDomains; ++d) {
            const std::string ip = "192.0.2." + std::to_string(d + 1);
            resolver.fakes[l].add_mx(domain(d), 10, "mx." + domain(d));
            resolver.fakes[l].add_address("mx." + domain(d), ip);
            peers.push_back(
                std::make_unique<SmtpPeer>(connector.fakes[l], net::Endpoint{*net::IpAddress::parse(ip), 25, {}}));
            peers.back()->on("RCPT", "450 4.2.0 later", d);
            peers.back()->on("DATA", std::string(SmtpPeer::kDrop), d % 3);
        }
    }
    Ends ends;
    base::Metrics metrics;
    base::SeededRandom random(1);
    delivery::Config config;
    config.hostname = "mail.test";
    config.routing.rate = {2000, 50};
    config.retry.min = 50ms;
    config.retry.max = 500ms;
    config.retry.max_attempts = 1000;
    delivery::Service service(delivery::Deps{*loops, queue, resolver, connector, *pool, ends, metrics, random},
                              config);
    REQUIRE(service.start());
    std::atomic<bool> enough{false};
    std::atomic<bool> harassed{false};
    net::spawn(loops->at(0), "harass", harass(&service, &loops->at(0), &enough), [&] { harassed = true; });
    loops->start();

    base::SystemClock clock;
    base::UlidSource ulids(clock, random);
    std::vector<base::Ulid> ids;
    for (int i = 0; i < kMessages; ++i) {
        mail::Envelope envelope;
        envelope.id = ulids.next();
        envelope.arrival = clock.wall();
        envelope.recipients.push_back({*mail::parse_address("a@" + domain(i % kDomains)), 0, {}});
        if (i % 2 == 0) {
            envelope.recipients.push_back({*mail::parse_address("b@" + domain((i + 7) % kDomains)), 0, {}});
        }
        ids.push_back(envelope.id);
        REQUIRE(queue.put(std::move(envelope), "Subject: x\r\n\r\nx\r\n"));
        if (i % 200 == 0) {
            config.routing.max_connections = 1 + static_cast<std::uint32_t>(i / 200) % 4;
            service.reload(config);
        }
    }
    CHECK(wait_until([&] { return ends.done == kMessages; }));
    enough = true;
    CHECK(wait_until([&] { return harassed.load(); }));
    std::atomic<bool> stopped{false};
    service.stop(5s, [&] { stopped = true; });
    CHECK(wait_until([&] { return stopped.load(); }));
    loops->stop();

    CHECK(ends.delivered == kMessages * 3 / 2);
    std::size_t taken = 0;
    for (const auto& peer : peers) {
        for (const auto& mail : peer->mail()) taken += mail.to.size();
    }
    CHECK(taken == kMessages * 3 / 2);
    CHECK(queue.ids().empty());
    queue.detach();
}
