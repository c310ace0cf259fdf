// What senders are told.
#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using mail::EventKind;
using mail::RecipientStatus;

namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// A sender whose server takes reports, and a site to send to.
struct Sites {
    explicit Sites(DeliveryWorld& w)
        : home(w.site("home.test", "192.0.2.50")), away(w.site("a.test", "192.0.2.1")) {}
    std::unique_ptr<SmtpPeer> home;
    std::unique_ptr<SmtpPeer> away;
};

}  // namespace

TEST_CASE("5xx becomes a report with the host's own status") {
    DeliveryWorld w;
    Sites s(w);
    s.away->on("RCPT", "550 5.2.1 mailbox disabled");
    w.start();
    w.send("me@home.test", {"r@a.test"});
    w.loops.run_until_idle();
    REQUIRE(s.home->mail().size() == 1);
    const auto& dsn = s.home->mail()[0];
    CHECK(dsn.from.empty());
    CHECK(dsn.to == std::vector<std::string>{"me@home.test"});
    CHECK(has(dsn.data, "Status: 5.2.1"));
    CHECK(has(dsn.data, "mailbox disabled"));
    CHECK(has(dsn.data, "Action: failed"));
    CHECK(has(dsn.data, "Final-Recipient: rfc822; r@a.test"));
    CHECK(has(dsn.data, "Subject: hello"));
    w.check_invariants(true);
}

TEST_CASE("a report that cannot be delivered is dropped") {
    DeliveryWorld w;
    Sites s(w);
    s.away->on("RCPT", "550 5.1.1 no");
    s.home->on("RCPT", "550 5.1.1 no sender either");
    w.start();
    w.send("me@home.test", {"r@a.test"});
    w.loops.run_for(24h);
    CHECK(w.queue.ids().empty());
    CHECK(w.events.count(EventKind::dsn_sent) == 1);
    CHECK(w.events.count(EventKind::bounced) == 2);
    w.check_invariants(true);
}

TEST_CASE("one report for all that fail within a minute") {
    DeliveryWorld w;
    Sites s(w);
    auto slow = w.site("slow.test", "192.0.2.2");
    auto late = w.site("late.test", "192.0.2.3");
    s.away->on("RCPT", "550 5.1.1 no");
    slow->set_think_time(8s);
    slow->on("RCPT", "550 5.1.2 no");
    late->on("RCPT", "450 4.2.0 not now", 3);
    late->on("RCPT TO:<gone", "550 5.1.3 no");
    w.start();
    w.send("me@home.test", {"r@a.test", "r@slow.test", "r@late.test"});
    w.loops.run_for(10s);
    CHECK(s.home->mail().empty());
    w.loops.run_for(50s);
    REQUIRE(s.home->mail().size() == 1);
    CHECK(has(s.home->mail()[0].data, "r@a.test"));
    CHECK(has(s.home->mail()[0].data, "r@slow.test"));
    CHECK_FALSE(has(s.home->mail()[0].data, "Final-Recipient: rfc822; r@late.test"));
    w.loops.run_for(2h);
    CHECK(late->mail().size() == 1);
    CHECK(s.home->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("a report owed at a restart is made, once") {
    DeliveryWorld w;
    Sites s(w);
    auto slow = w.site("slow.test", "192.0.2.2");
    slow->on("RCPT", std::string(SmtpPeer::kStall), 1);
    s.away->on("RCPT", "550 5.1.1 no");
    w.start();
    const auto id = w.send("me@home.test", {"r@a.test", "r@slow.test"});
    w.loops.run_for(5s);
    CHECK(w.state(id).status == RecipientStatus::failed);
    CHECK_FALSE(w.state(id).dsn_done);
    w.stop(0s);
    w.start();
    w.loops.run_for(1h);
    REQUIRE(s.home->mail().size() == 1);
    CHECK(has(s.home->mail()[0].data, "Status: 5.1.1"));
    CHECK(slow->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("expiry: given up after max_age, with what the host last said") {
    DeliveryWorld w;
    Sites s(w);
    s.away->on("RCPT", "452 4.2.2 mailbox full");
    w.config.dsn.delay_warning = {};
    w.config.retry.max_attempts = 1000;
    w.start();
    const auto id = w.send("me@home.test", {"r@a.test"});
    w.loops.run_for(24h * 5 - 1min);
    CHECK(w.state(id).status == RecipientStatus::pending);
    w.loops.run_for(7h);
    REQUIRE(s.home->mail().size() == 1);
    CHECK(has(s.home->mail()[0].data, "Status: 4.2.2"));
    CHECK(has(s.home->mail()[0].data, "Action: failed"));
    CHECK(w.events.count(EventKind::expired) == 1);
    w.check_invariants(true);
}

TEST_CASE("expiry by number of attempts") {
    DeliveryWorld w;
    Sites s(w);
    s.away->on("RCPT", "452 4.2.2 mailbox full");
    w.config.retry.max_attempts = 3;
    w.start();
    w.send("me@home.test", {"r@a.test"});
    w.loops.run_for(1h);
    CHECK(s.away->transactions().size() == 3);
    CHECK(s.home->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("expiry does not wait for a worker: rate limited mail expires in its time") {
    DeliveryWorld w;
    Sites s(w);
    policy::DomainRule rule;
    rule.pattern = "a.test";
    rule.messages_per_second = 0.00001;  // about one a day
    rule.burst_size = 1;
    w.config.routing.rules = {rule};
    w.config.retry.max_age = 2h;
    w.config.retry.max = 1h;
    w.start();
    w.send("me@home.test", {"1@a.test"});
    const auto id = w.send("me@home.test", {"2@a.test"});
    w.loops.run_for(119min);
    CHECK(w.state(id).status == RecipientStatus::pending);
    CHECK(w.state(id).attempts == 0);
    w.loops.run_for(2min);
    CHECK(s.away->mail().size() == 1);
    REQUIRE(s.home->mail().size() == 1);
    CHECK(has(s.home->mail()[0].data, "Status: 4.4.7"));
    w.check_invariants(true);
}

TEST_CASE("a delay warning after four hours, once, where it may be") {
    DeliveryWorld w;
    Sites s(w);
    s.away->down();
    w.start();
    SUBCASE("by default") {
        w.send("me@home.test", {"r@a.test", "q@a.test"});
        w.loops.run_for(3h + 59min);
        CHECK(s.home->mail().empty());
        w.loops.run_for(20h);
        REQUIRE(s.home->mail().size() == 1);
        CHECK(has(s.home->mail()[0].data, "Action: delayed"));
        CHECK(has(s.home->mail()[0].data, "q@a.test"));
        s.away->up();
        w.loops.run_for(7h);
        CHECK(s.home->mail().size() == 1);
        w.check_invariants(true);
    }
    SUBCASE("not when the sender asked for failures alone") {
        w.send("me@home.test", {"r@a.test"}, mail::notify::failure);
        w.loops.run_for(24h);
        CHECK(s.home->mail().empty());
    }
}

TEST_CASE("NOTIFY: never, and success when the next host will not tell") {
    DeliveryWorld w;
    Sites s(w);
    w.start();
    SUBCASE("never") {
        s.away->on("RCPT", "550 5.1.1 no");
        w.send("me@home.test", {"r@a.test"}, mail::notify::never);
        w.loops.run_for(1h);
        CHECK(s.home->mail().empty());
    }
    SUBCASE("success: the host does not know DSN, we tell that it was relayed") {
        w.send("me@home.test", {"r@a.test"}, mail::notify::success);
        w.loops.run_for(1h);
        REQUIRE(s.home->mail().size() == 1);
        CHECK(has(s.home->mail()[0].data, "Action: relayed"));
    }
    SUBCASE("success: the host knows DSN, telling is its job") {
        s.away->set_extensions({"PIPELINING", "DSN"});
        w.send("me@home.test", {"r@a.test"}, mail::notify::success);
        w.loops.run_for(1h);
        CHECK(s.away->mail().size() == 1);
        CHECK(s.home->mail().empty());
    }
    w.check_invariants(true);
}

TEST_CASE("nobody is told when DSNs are off") {
    DeliveryWorld w;
    Sites s(w);
    s.away->on("RCPT", "550 5.1.1 no");
    w.config.dsn.enabled = false;
    w.start();
    w.send("me@home.test", {"r@a.test"});
    w.loops.run_for(1h);
    CHECK(s.home->mail().empty());
    w.check_invariants(true);
}
