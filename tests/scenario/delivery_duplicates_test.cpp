// What hosts have taken and the queue does not know yet: one message a connection, so that a crash repeats no more.
#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using delivery::Hold;
using mail::EventKind;
using mail::RecipientStatus;

namespace {

Hold why(DeliveryWorld& w, const base::Ulid& id) {
    return w.ask(w.service->view(w.loops.at(0), id)).recipients[0].why;
}

}  // namespace

TEST_CASE("a connection begins its next message, and ends it once the outcome of the last is durable") {
    DeliveryWorld w;
    w.config.routing.max_connections = 1;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    w.queue.hold_records(true);
    std::string body = "Subject: hello\r\n\r\n";
    SUBCASE("short") {}
    SUBCASE("long") { body += std::string(500'000, 'x') + "\r\n"; }
    SUBCASE("in chunks") { peer->set_extensions({"PIPELINING", "CHUNKING", "8BITMIME"}); }
    w.send("s@mail.test", {"r@a.test"}, 0, body);
    w.loops.run_for(1s);
    const auto second = w.send("s@mail.test", {"r@a.test"}, 0, body);
    w.loops.run_for(20s);
    CHECK(peer->mail().size() == 1);
    CHECK(peer->transactions().size() == 2);
    CHECK(why(w, second) == Hold::in_flight);
    w.queue.hold_records(false);
    w.loops.run_until_idle();
    CHECK(peer->mail().size() == 2);
    CHECK(peer->connections() == 1);
    w.check_invariants(true);
}

TEST_CASE("without a message before it none waits: the first goes out whatever the disk does") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    w.queue.hold_records(true);
    w.send("s@mail.test", {"r@a.test"});
    w.loops.run_until_idle();
    CHECK(peer->mail().size() == 1);
    w.queue.hold_records(false);
}

TEST_CASE("an outcome that does not become durable: the next message goes back to wait, and is no attempt") {
    DeliveryWorld w;
    w.config.routing.max_connections = 1;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    w.queue.hold_records(true);
    w.send("s@mail.test", {"1@a.test"});
    w.loops.run_for(1s);
    const auto second = w.send("s@mail.test", {"2@a.test"});
    const auto third = w.send("s@mail.test", {"3@a.test"});
    w.loops.run_for(1min);
    CHECK(peer->open() == 0);  // without its end: the host drops it
    for (const auto& id : {second, third}) {
        CHECK(why(w, id) == Hold::unrecorded);
        CHECK(w.state(id).attempts == 0);
    }
    w.loops.run_for(1h);
    CHECK(peer->mail().size() == 1);
    CHECK(peer->connections() == 1);
    w.queue.hold_records(false);
    w.loops.run_for(1s);
    CHECK(peer->mail().size() == 3);
    CHECK(w.state(second).attempts == 1);
    CHECK(w.events.count(EventKind::deferred) == 0);
    w.check_invariants(true);
}

TEST_CASE("as many messages are taken and not known to be as there may be connections") {
    DeliveryWorld w;
    w.config.routing.max_connections = 3;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->set_think_time(10ms);
    SUBCASE("connections that stay") {}
    SUBCASE("connections for one message each") { w.config.connection_transactions = 1; }
    SUBCASE("connections that the host closes") { peer->set_extensions({"PIPELINING", "LIMITS MAILMAX=1"}); }
    w.start();
    w.queue.hold_records(true);
    for (int i = 0; i < 20; ++i) w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(10min);
    CHECK(peer->mail().size() == 3);
    w.queue.hold_records(false);
    w.loops.run_for(1min);
    CHECK(peer->mail().size() == 20);
    CHECK(w.events.count(EventKind::deferred) == 0);
    w.check_invariants(true);
}

TEST_CASE("one message in several transactions: each is recorded before the next ends") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->set_extensions({"PIPELINING", "LIMITS RCPTMAX=2"});
    w.start();
    w.queue.hold_records(true);
    const auto id = w.send("s@mail.test", {"1@a.test", "2@a.test", "3@a.test", "4@a.test", "5@a.test"});
    w.loops.run_for(20s);
    CHECK(peer->mail().size() == 1);
    w.queue.hold_records(false);
    w.loops.run_until_idle();
    REQUIRE(peer->mail().size() == 3);
    CHECK(peer->mail()[1].to.size() == 2);
    CHECK(peer->mail()[2].to.size() == 1);
    for (std::size_t i = 0; i < 5; ++i) CHECK(w.state(id, i).attempts == 1);
    CHECK(w.events.count(EventKind::deferred) == 0);
    w.check_invariants(true);
}

TEST_CASE("a stop while a message waits for its end") {
    DeliveryWorld w;
    w.config.routing.max_connections = 1;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    w.queue.hold_records(true);
    w.send("s@mail.test", {"1@a.test"});
    w.loops.run_for(1s);
    const auto second = w.send("s@mail.test", {"2@a.test"});
    w.loops.run_for(1s);
    REQUIRE(peer->transactions().size() == 2);
    std::size_t expected = 1;
    SUBCASE("the disk comes back within the grace") {
        w.loops.at(0).call_after(5s, [&] { w.queue.hold_records(false); });
        expected = 2;
    }
    SUBCASE("the disk does not come back") {}
    SUBCASE("at once") {
        w.service->stop(0s, [] {});
    }
    w.stop(20s);
    CHECK(peer->mail().size() == expected);
    CHECK(w.state(second).attempts == expected - 1);
    CHECK(w.done(second) == (expected == 2));
}

TEST_CASE("records that fail at a stop let no further message end") {
    DeliveryWorld w;
    w.config.routing.max_connections = 1;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    w.queue.fail_records(1'000'000);
    w.send("s@mail.test", {"1@a.test"});
    w.loops.run_for(1s);
    const auto second = w.send("s@mail.test", {"2@a.test"});
    w.loops.run_for(1s);
    w.stop(20s);
    CHECK(peer->mail().size() == 1);
    CHECK(w.state(second).attempts == 0);
}
