#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using mail::EventKind;
using mail::RecipientStatus;

TEST_CASE("a message is delivered at once, without a scan") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_until_idle();
    REQUIRE(peer->mail().size() == 1);
    CHECK(peer->mail()[0].from == "s@mail.test");
    CHECK(peer->mail()[0].to == std::vector<std::string>{"r@a.test"});
    CHECK(peer->mail()[0].data == "Subject: hello\r\n\r\nbody\r\n");
    CHECK(w.done(id));
    CHECK(w.events.count(EventKind::attempt) == 1);
    CHECK(w.events.count(EventKind::done) == 1);
    CHECK(w.queue.records() == 1);  // state and DONE in one
    w.check_invariants(true);
}

TEST_CASE("deferred, then delivered") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_until_idle();
    CHECK(w.state(id).attempts == 1);
    CHECK(w.state(id).status == RecipientStatus::pending);
    CHECK(w.state(id).last.status == "4.4.1");
    CHECK(w.events.count(EventKind::deferred) == 1);
    peer->up();
    w.loops.run_for(50s);
    CHECK(peer->mail().empty());
    w.loops.run_for(20s);
    CHECK(peer->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("a deferral of one recipient leaves the others delivered, once") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    auto other = w.site("b.test", "192.0.2.2");
    peer->on("RCPT TO:<late", "451 4.7.1 greylisted", 2);
    peer->on("RCPT TO:<never", "550 5.1.1 no such user");
    w.start();
    const auto id = w.send("s@b.test", {"now@a.test", "late@a.test", "never@a.test", "x@b.test"});
    w.loops.run_for(1s);
    REQUIRE(peer->mail().size() == 1);
    CHECK(peer->mail()[0].to == std::vector<std::string>{"now@a.test"});
    CHECK(w.state(id, 1).status == RecipientStatus::pending);
    CHECK(w.state(id, 2).status == RecipientStatus::failed);
    CHECK(w.state(id, 2).last.status == "5.1.1");
    w.loops.run_for(1h);
    REQUIRE(peer->mail().size() == 2);
    CHECK(peer->mail()[1].to == std::vector<std::string>{"late@a.test"});
    REQUIRE(other->mail().size() == 2);  // the message, and the report
    CHECK(other->mail()[1].from.empty());
    CHECK(other->mail()[1].data.find("Status: 5.1.1") != std::string::npos);
    CHECK(w.events.count(EventKind::dsn_sent) == 1);
    w.check_invariants(true);
}

TEST_CASE("recipients of one destination go in one transaction, as many as it takes") {
    DeliveryWorld w;
    w.config.routing.max_recipients = 10;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    std::vector<std::string> to;
    for (int i = 0; i < 25; ++i) to.push_back("r" + std::to_string(i) + "@a.test");
    w.send("s@mail.test", to);
    w.loops.run_until_idle();
    CHECK(peer->mail().size() == 3);
    w.check_invariants(true);
}

TEST_CASE("recipients that are deferred together come back together") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->on("RCPT", "450 4.2.0 later", 60);
    w.start();
    std::vector<std::string> to;
    for (int i = 0; i < 20; ++i) to.push_back("r" + std::to_string(i) + "@a.test");
    w.send("s@mail.test", to);
    w.loops.run_for(1h);
    CHECK(peer->transactions().size() == 4);
    CHECK(peer->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("connections are reused, and several opened when work waits") {
    DeliveryWorld w;
    w.config.routing.max_connections = 4;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->set_think_time(100ms);
    w.start();
    w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(2s);
    w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(2s);
    CHECK(peer->mail().size() == 2);
    CHECK(peer->connections() == 1);
    for (int i = 0; i < 100; ++i) w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(60s);
    CHECK(peer->mail().size() == 102);
    CHECK(peer->most_at_once() == 4);
    CHECK(peer->connections() == 4);
    CHECK(peer->open() == 0);                                  // idle ones were closed ...
    CHECK(std::ranges::count(peer->commands(), "QUIT") == 4);  // ... politely
    w.check_invariants(true);
}

TEST_CASE("a pooled connection that the server closed is not a failure") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    w.send("s@mail.test", {"r@a.test"});
    w.loops.run_until_idle();
    peer->down();
    peer->up();
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_until_idle();
    CHECK(peer->mail().size() == 2);
    CHECK(w.done(id));
    CHECK(w.events.count(EventKind::deferred) == 0);
}

TEST_CASE("an outcome that cannot be recorded is recorded later, and nothing is sent meanwhile") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    w.queue.fail_records(8);
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(5s);
    CHECK_FALSE(w.done(id));
    CHECK(w.events.count(EventKind::delivered) == 0);
    w.loops.run_for(5min);
    CHECK(w.done(id));
    CHECK(peer->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("a restart keeps what was decided") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->on("RCPT TO:<late", "450 4.2.0 later", 1);
    w.start();
    const auto id = w.send("s@mail.test", {"now@a.test", "late@a.test"});
    w.loops.run_for(1s);
    CHECK(peer->mail().size() == 1);
    w.restart();
    CHECK(w.state(id, 1).attempts == 1);
    w.loops.run_for(30s);
    CHECK(peer->mail().size() == 1);
    w.loops.run_for(60s);
    REQUIRE(peer->mail().size() == 2);
    CHECK(peer->mail()[1].to == std::vector<std::string>{"late@a.test"});
    w.check_invariants(true);
}

TEST_CASE("a stop lets what is in flight end, and starts nothing") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.config.routing.max_connections = 1;
    peer->set_think_time(1s);
    w.start();
    const auto first = w.send("s@mail.test", {"r@a.test"});
    const auto second = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(3500ms);
    w.stop(30s);
    CHECK(w.done(first));
    CHECK(peer->mail().size() == 1);
    CHECK(w.state(second).attempts == 0);
    w.start();
    w.loops.run_for(60s);
    CHECK(peer->mail().size() == 2);
    w.check_invariants(true);
}

TEST_CASE("a stop does not wait for a connection that is being opened") {
    DeliveryWorld w;
    // The first host takes MAIL and is gone; what is being opened then goes on for the same message.
    auto peer = w.site("a.test", "192.0.2.1");
    peer->on("MAIL", std::string(SmtpPeer::kDrop));
    w.resolver.add_mx("a.test", 20, "second.a.test");
    w.resolver.add_address("second.a.test", "192.0.2.2");
    std::unique_ptr<SmtpPeer> second;
    SUBCASE("which does not come") { w.connector.stall(endpoint("192.0.2.2")); }
    SUBCASE("over which nothing is said") {
        second = std::make_unique<SmtpPeer>(w.connector, endpoint("192.0.2.2"));
        second->on("greeting", std::string(SmtpPeer::kStall));
    }
    w.start();
    const auto id = w.send("", {"r@a.test"});
    w.loops.run_for(1s);
    REQUIRE(w.connector.attempts().size() == 2);
    const auto before = w.loops.at(0).now();
    w.stop(30s);
    CHECK(w.loops.at(0).now() - before < 1s);  // of the virtual clock
    CHECK(w.state(id).status == RecipientStatus::pending);
}

TEST_CASE("a stop without grace cuts what is in flight; it is tried again after the start") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->on("DATA", std::string(SmtpPeer::kStall), 1);
    w.start();
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(1s);
    w.stop(0s);
    CHECK(w.state(id).status == RecipientStatus::pending);
    w.start();
    w.loops.run_for(2min);
    CHECK(w.done(id));
    CHECK(peer->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("a stop in the middle of a transaction over a connection that stood bounces nothing") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    w.send("me@mail.test", {"1@a.test"});
    w.loops.run_for(1s);
    REQUIRE(peer->mail().size() == 1);
    peer->on("MAIL", std::string(SmtpPeer::kStall), 1);
    const auto id = w.send("me@mail.test", {"2@a.test"});
    w.loops.run_for(1s);
    CHECK(peer->connections() == 1);
    w.stop(0s);
    CHECK(w.state(id).status == mail::RecipientStatus::pending);
    w.start();
    w.loops.run_for(1h);
    CHECK(peer->mail().size() == 2);
    w.check_invariants(true);
}
