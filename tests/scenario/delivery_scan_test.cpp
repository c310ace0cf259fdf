// What the queue holds and nobody delivers is found by the periodic scan, and nothing else.
#include "delivery/safety_scan.hpp"
#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

namespace {

std::uint64_t adopted(DeliveryWorld& w) { return w.metrics.counter("posthorn_delivery_adopted_total", "").value(); }

}  // namespace

TEST_CASE("a message that its owner was never told of is delivered after the scan") {
    const base::log::Capture log;
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    std::vector<base::Ulid> forgotten;
    w.queue.forget_to_tell(true);
    for (int i = 0; i < 3; ++i) forgotten.push_back(w.send("", {"r@a.test"}));
    w.queue.forget_to_tell(false);
    w.loops.run_for(5min + 30s);
    CHECK(peer->mail().empty());  // it may only be on its way still
    w.loops.run_for(1min);
    CHECK(peer->mail().size() == 3);
    for (const auto& id : forgotten) CHECK(w.done(id));
    CHECK(adopted(w) == 3);
    CHECK(log.contains("delivery.adopted"));
    w.check_invariants(true);
}

TEST_CASE("more forgotten messages than are looked at in one go are all found") {
    const base::log::Capture quiet;
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.config.scan_interval = 1h;
    w.start();
    w.queue.forget_to_tell(true);
    const auto many = delivery::SafetyScan::kMostCandidates + 10;
    for (std::size_t i = 0; i < many; ++i) w.send("", {"r@a.test"});
    w.queue.forget_to_tell(false);
    w.loops.run_for(1h + 3min);
    CHECK(peer->mail().size() == many);
    CHECK(adopted(w) == many);
    w.check_invariants(true);
}

TEST_CASE("what waits for its next try is known to its owner and left alone") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    w.queue.forget_to_tell(true);
    const auto forgotten = w.send("", {"r@a.test"});
    w.queue.forget_to_tell(false);
    const auto known = w.send("", {"r@a.test"});
    w.loops.run_for(10min);
    CHECK(adopted(w) == 1);
    CHECK(w.ask(w.service->stats(w.loops.at(0))).messages == 2);
    CHECK_FALSE(w.done(forgotten));
    CHECK_FALSE(w.done(known));
}

TEST_CASE("an interval of nothing means no scan, until a reload") {
    const base::log::Capture quiet;
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.config.scan_interval = 0s;
    w.start();
    w.queue.forget_to_tell(true);
    w.send("", {"r@a.test"});
    w.queue.forget_to_tell(false);
    w.loops.run_for(24h);
    CHECK(peer->mail().empty());
    w.config.scan_interval = 10min;
    w.reload();
    w.loops.run_for(12min);
    CHECK(peer->mail().size() == 1);
}
