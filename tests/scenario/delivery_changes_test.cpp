// Changes of a message that wait for each other, messages that the queue no longer has, refusals that are not final.
#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

TEST_CASE("a cancel that finds nothing left to do does not hold up the outcomes behind it") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    auto slow = w.site("b.test", "192.0.2.2");
    slow->set_think_time(20ms);
    w.start();
    w.queue.fail_records(1);  // the first outcome is repeated after a while, and what comes meanwhile waits for it
    const auto id = w.send("", {"r@a.test", "q@b.test"});
    w.loops.run_for(50ms);
    REQUIRE(peer->mail().size() == 1);
    delivery::Selector which;
    which.ids = {id};
    const auto changed = w.ask(cancel(*w.service, w.loops.at(1), which, false));
    CHECK(changed.count() == 1);
    w.loops.run_for(1min);
    CHECK(slow->mail().size() == 1);
    CHECK(w.done(id));
    w.check_invariants(true);
}

TEST_CASE("a cancel while a connection is being opened says so, and is durable after a stop") {
    DeliveryWorld w;
    w.resolver.add_mx("a.test", 10, "mx.a.test");
    w.resolver.add_address("mx.a.test", "192.0.2.1");
    w.connector.stall(endpoint("192.0.2.1"));
    auto peer = w.site("b.test", "192.0.2.2");
    peer->set_think_time(1s);
    w.start();
    const auto id = w.send("", {"r@a.test"});
    const auto talking = w.send("", {"r@b.test"});
    w.loops.run_for(2500ms);
    delivery::Selector which;
    which.ids = {id, talking};
    const auto changed = w.ask(cancel(*w.service, w.loops.at(1), which, false));
    CHECK(changed.count() == 2);
    CHECK(changed.under_way.size() == 2);
    CHECK_FALSE(w.done(id));
    w.stop();
    CHECK(w.done(id));
    CHECK(w.state(id).status == mail::RecipientStatus::cancelled);
    CHECK(w.state(talking).status == mail::RecipientStatus::delivered);
    w.check_invariants(true);
}

TEST_CASE("a message that the queue has lost is forgotten") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->set_think_time(100ms);
    w.start();
    const auto id = w.send("", {"r@a.test"});
    w.loops.run_for(250ms);
    w.queue.lose(id);
    w.loops.run_for(1min);
    CHECK(w.metrics.counter("posthorn_delivery_record_failures_total", "").value() == 0);
    CHECK(w.ask(w.service->stats(w.loops.at(0))).messages == 0);
}

TEST_CASE("one MX host refuses, the other cannot be looked up: the mail waits") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->on("greeting", "554 5.3.2 no mail here");
    w.resolver.add_mx("a.test", 20, "other.a.test");
    w.resolver.fail("other.a.test", net::DnsStatus::servfail);
    w.start();
    const auto id = w.send("", {"r@a.test"});
    w.loops.run_for(1s);
    CHECK(peer->connections() == 1);
    CHECK(w.state(id).status == mail::RecipientStatus::pending);
    CHECK(w.state(id).last.status == "4.3.2");
}
