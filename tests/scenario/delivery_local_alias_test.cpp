// Aliases of ours: expanded when mail is delivered, not when it comes in.
#include "tests/scenario/local_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using mail::EventKind;
using mail::RecipientStatus;

TEST_CASE("several aliases that lead to one account deliver once; nested ones are followed") {
    LocalWorld w;
    w.add({"ann@local.test", "bob@local.test"});
    w.people.add_alias("info@local.test", {"staff@local.test", "ann@local.test"});
    w.people.add_alias("staff@local.test", {"bob@local.test", "ann@local.test", "info@local.test"});
    w.start();
    w.send("s@a.test", {"info@local.test", "staff@local.test", "ann@local.test"});
    w.loops.run_until_idle();
    CHECK(w.inbox("ann@local.test").size() == 1);
    REQUIRE(w.inbox("bob@local.test").size() == 1);
    CHECK(w.inbox("bob@local.test")[0].find("Delivered-To: bob@local.test\r\n") != std::string::npos);
    CHECK(w.events.count(EventKind::delivered) == 3);
    w.check_invariants(true);
}

TEST_CASE("what an alias leads to elsewhere goes on as one message of the same text and sender") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.add({"ann@local.test"});
    w.people.add_alias("team@local.test", {"ann@local.test", "one@a.test", "two@a.test"});
    w.start();
    const auto id = w.send("s@b.test", {"team@local.test"});
    w.loops.run_until_idle();
    CHECK(w.inbox("ann@local.test").size() == 1);
    REQUIRE(peer->mail().size() == 1);
    CHECK(peer->mail()[0].from == "s@b.test");
    CHECK(peer->mail()[0].to == std::vector<std::string>{"one@a.test", "two@a.test"});
    CHECK(peer->mail()[0].data == "Delivered-To: team@local.test\r\nSubject: hello\r\n\r\nbody\r\n");
    CHECK(w.state(id).status == RecipientStatus::delivered);
    CHECK(w.done(id));
    w.check_invariants(true);
}

TEST_CASE("what an alias leads to elsewhere goes on from its owner, where that is wanted and there is one") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.add({"ann@local.test"});
    w.people.add_alias("team@local.test", {"one@a.test"});
    std::string from = "s@b.test";
    std::string sender = from;
    SUBCASE("not wanted") { w.people.add_alias("owner-team@local.test", {"ann@local.test"}); }
    SUBCASE("wanted") {
        w.config.local.owner_sends = true;
        SUBCASE("there is one") {
            w.people.add_alias("owner-team@local.test", {"ann@local.test"});
            sender = "owner-team@local.test";
        }
        SUBCASE("there is none") {}
        SUBCASE("of a notification") {
            w.people.add_alias("owner-team@local.test", {"ann@local.test"});
            from = sender = "";
        }
    }
    w.start();
    w.send(from, {"team@local.test"});
    w.loops.run_until_idle();
    REQUIRE(peer->mail().size() == 1);
    CHECK(peer->mail()[0].from == sender);
    CHECK(peer->mail()[0].to == std::vector<std::string>{"one@a.test"});
}

TEST_CASE("a crash before the outcome is durable makes neither a second copy nor a second message") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.add({"ann@local.test"});
    w.people.add_alias("team@local.test", {"ann@local.test", "one@a.test"});
    w.start();
    w.queue.hold_records(true);
    w.send("s@b.test", {"team@local.test"});
    w.loops.run_for(1s);
    w.stop(0s);
    CHECK(peer->mail().empty());
    w.queue.hold_records(false);
    w.start();
    w.loops.run_for(1min);
    CHECK(w.inbox("ann@local.test").size() == 1);
    CHECK(peer->mail().size() == 1);
    CHECK(w.queue.ids().empty());
}

TEST_CASE("of an alias the account that is full waits, and who has the message gets it no second time") {
    LocalWorld w;
    w.add({"ann@local.test", "bob@local.test"});
    w.people.add_account("bob@local.test").quota.bytes = 1;
    w.people.add_alias("team@local.test", {"ann@local.test", "bob@local.test"});
    w.start();
    const auto id = w.send("s@b.test", {"team@local.test"});
    w.loops.run_until_idle();
    CHECK(w.inbox("ann@local.test").size() == 1);
    CHECK(w.state(id).status == RecipientStatus::pending);
    CHECK(w.state(id).last.status == "4.2.2");
    w.people.add_account("bob@local.test").quota.bytes = 0;
    w.loops.run_for(1h);
    CHECK(w.inbox("ann@local.test").size() == 1);
    CHECK(w.inbox("bob@local.test").size() == 1);
    w.check_invariants(true);
}

TEST_CASE("with addresses elsewhere what failed goes along, and ends on its own") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    auto sender = w.site("b.test", "192.0.2.2");
    w.add({"ann@local.test", "bob@local.test"});
    w.people.add_account("bob@local.test").quota.bytes = 1;
    w.people.add_alias("team@local.test", {"ann@local.test", "bob@local.test", "gone@local.test", "one@a.test"});
    w.start();
    w.send("s@b.test", {"team@local.test"});
    w.loops.run_for(2min);
    CHECK(w.inbox("ann@local.test").size() == 1);
    CHECK(peer->mail().size() == 1);
    REQUIRE(sender->mail().size() == 1);
    CHECK(sender->mail()[0].data.find("gone@local.test") != std::string::npos);
    w.people.add_account("bob@local.test").quota.bytes = 0;
    w.loops.run_for(1h);
    CHECK(w.inbox("bob@local.test").size() == 1);
    CHECK(w.inbox("ann@local.test").size() == 1);
    CHECK(w.queue.ids().empty());
}

TEST_CASE("loops end") {
    LocalWorld w;
    auto sender = w.site("b.test", "192.0.2.2");
    std::string text = "Subject: round\r\n\r\nand round\r\n";
    SUBCASE("of aliases that lead to each other") {
        w.people.add_alias("a@local.test", {"b@local.test"});
        w.people.add_alias("b@local.test", {"a@local.test"});
    }
    SUBCASE("over another server, which brings it back") {
        w.people.add_alias("a@local.test", {"x@elsewhere.test"});
        text = "Received: from elsewhere\r\ndelivered-to: <A@LOCAL.test>\r\n" + text;
    }
    SUBCASE("of aliases without end") {
        w.people.add_alias("a@local.test", {"a0@local.test"});
        for (int i = 0; i < 100; ++i) {
            w.people.add_alias("a" + std::to_string(i) + "@local.test",
                               {"a" + std::to_string(i + 1) + "@local.test"});
        }
    }
    w.start();
    const auto id = w.send("s@b.test", {"a@local.test"}, 0, text);
    w.loops.run_for(2min);
    CHECK(w.state(id).last.status == "5.4.6");
    CHECK(w.done(id));
    CHECK(sender->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("success of an alias: one address elsewhere answers for itself, of several we say that it was expanded") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    auto sender = w.site("b.test", "192.0.2.2");
    std::string expected;
    SUBCASE("one") {
        w.people.add_alias("team@local.test", {"one@a.test"});
        expected = "Action: relayed";  // by the message that went on: a.test knows no DSN
    }
    SUBCASE("several") {
        w.people.add_alias("team@local.test", {"one@a.test", "two@a.test"});
        expected = "Action: expanded";
    }
    w.start();
    w.send("s@b.test", {"team@local.test"}, mail::notify::success);
    w.loops.run_for(2min);
    CHECK(peer->mail().size() == 1);
    REQUIRE(sender->mail().size() == 1);
    CHECK(sender->mail()[0].data.find(expected) != std::string::npos);
    w.check_invariants(true);
}

TEST_CASE("a catch-all takes what nobody else does") {
    LocalWorld w;
    w.add({"ann@local.test"});
    w.people.add_domain("local.test", "ann@local.test");
    w.start();
    w.send("s@b.test", {"whoever@local.test"});
    w.loops.run_until_idle();
    CHECK(w.inbox("ann@local.test").size() == 1);
    w.check_invariants(true);
}
