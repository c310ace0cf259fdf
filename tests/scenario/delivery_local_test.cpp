// Mail for accounts of ours.
#include "tests/scenario/local_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using mail::EventKind;
using mail::RecipientStatus;

namespace {

base::Error store_trouble() { return {base::ErrorKind::temporary, "4.3.0", "", "the disk is full", ENOSPC}; }

std::string extra(const mail::Event& event, std::string_view key) {
    for (const auto& [name, value] : event.extra) {
        if (name == key) return value;
    }
    return {};
}

}  // namespace

TEST_CASE("mail for an account of ours goes into its INBOX, octet by octet, behind Return-Path and Delivered-To") {
    LocalWorld w;
    w.add({"ann@local.test"});
    w.start();
    const auto id = w.send("s@a.test", {"Ann@local.test"}, 0,
                           "Subject: hello\r\n\r\n.\r\nb\xc3\xb6"
                           "dy");
    w.loops.run_until_idle();
    REQUIRE(w.inbox("ann@local.test").size() == 1);
    CHECK(w.inbox("ann@local.test")[0] ==
          "Return-Path: <s@a.test>\r\nDelivered-To: Ann@local.test\r\nSubject: hello\r\n\r\n.\r\nb\xc3\xb6"
          "dy");
    CHECK(w.done(id));
    CHECK(w.queue.records() == 1);
    const auto told = w.events.of(EventKind::delivered);
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == "2.0.0");
    CHECK(extra(told[0], "account") == "ann@local.test");
    CHECK(extra(told[0], "mailbox") == "INBOX");
    w.check_invariants(true);
}

TEST_CASE("what we put before a message on its way in is kept with it") {
    LocalWorld w;
    w.add({"ann@local.test"});
    w.start();
    mail::Envelope envelope;
    envelope.id = w.ulids.next();
    envelope.recipients.push_back({*mail::parse_address("ann@local.test"), 0, {}});
    envelope.trace_headers = "Received: from a\r\n\tby b; now\r\n";
    REQUIRE(w.queue.put(std::move(envelope), "Subject: x\r\n\r\ny\r\n"));
    w.loops.run_until_idle();
    REQUIRE(w.inbox("ann@local.test").size() == 1);
    CHECK(w.inbox("ann@local.test")[0] ==
          "Return-Path: <>\r\nDelivered-To: ann@local.test\r\nReceived: from a\r\n\tby b; now\r\n"
          "Subject: x\r\n\r\ny\r\n");
}

TEST_CASE("each recipient has an end of its own: stored, unknown, disabled, elsewhere") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.add({"ann@local.test", "old@local.test"});
    w.people.add_account("old@local.test").disabled = true;
    w.start();
    const auto id = w.send("s@a.test", {"ann@local.test", "nobody@local.test", "old@local.test", "r@a.test"});
    w.loops.run_until_idle();
    CHECK(w.inbox("ann@local.test").size() == 1);
    CHECK(w.state(id, 0).status == RecipientStatus::delivered);
    CHECK(w.state(id, 1).status == RecipientStatus::failed);
    CHECK(w.state(id, 1).last.code == 550);
    CHECK(w.state(id, 1).last.status == "5.1.1");
    CHECK(w.state(id, 2).last.status == "5.2.1");
    CHECK(w.state(id, 3).status == RecipientStatus::delivered);
    w.loops.run_for(2min);
    REQUIRE(peer->mail().size() == 2);  // the message, and the report
    CHECK(peer->mail()[1].data.find("Status: 5.1.1") != std::string::npos);
    CHECK(peer->mail()[1].data.find("Status: 5.2.1") != std::string::npos);
    w.check_invariants(true);
}

TEST_CASE("a full mailbox defers, or bounces, as the configuration says") {
    LocalWorld w;
    w.add({"ann@local.test"});
    w.people.add_account("ann@local.test").quota.messages = 1;
    bool bounce = false;
    SUBCASE("defers") {}
    SUBCASE("bounces") { bounce = true; }
    w.config.local.bounce_over_quota = bounce;
    w.start();
    w.send("", {"ann@local.test"});
    w.loops.run_until_idle();
    const auto id = w.send("", {"ann@local.test"});
    w.loops.run_until_idle();
    CHECK(w.inbox("ann@local.test").size() == 1);
    const auto state = w.state(id);
    CHECK(state.last.code == (bounce ? 552 : 452));
    CHECK(state.last.status == (bounce ? "5.2.2" : "4.2.2"));
    CHECK(state.status == (bounce ? RecipientStatus::failed : RecipientStatus::pending));
    w.people.add_account("ann@local.test").quota.messages = 2;
    w.loops.run_for(1h);
    CHECK(w.inbox("ann@local.test").size() == (bounce ? 1 : 2));
    w.check_invariants(true);
}

TEST_CASE("what LMTP has promised room for is stored, also when the reservation is gone and the mailbox full") {
    LocalWorld w;
    w.add({"ann@local.test"});
    w.people.add_account("ann@local.test").quota.messages = 1;
    w.config.local.bounce_over_quota = true;
    w.start();
    w.send("", {"ann@local.test"});
    w.loops.run_until_idle();
    mail::Envelope envelope;
    envelope.id = w.ulids.next();
    envelope.recipients.push_back({*mail::parse_address("ann@local.test"), 0, {}});
    envelope.arrival = w.loops.clock().wall();
    envelope.promised = true;
    REQUIRE(w.queue.put(std::move(envelope), "Subject: promised\r\n\r\nbody\r\n"));
    w.loops.run_until_idle();
    CHECK(w.inbox("ann@local.test").size() == 2);
    w.check_invariants(true);
}

TEST_CASE("room that LMTP has promised is free again, however the message ends") {
    LocalWorld w;
    w.add({"ann@local.test", "bob@local.test"});
    w.start();
    mail::Envelope envelope;
    envelope.id = w.ulids.next();
    envelope.arrival = w.loops.clock().wall();
    envelope.promised = true;
    std::string recipient = "nobody@local.test";  // an account when it came in
    SUBCASE("it fails") {}
    SUBCASE("it is delivered elsewhere") { recipient = "bob@local.test"; }
    envelope.recipients.push_back({*mail::parse_address(recipient), 0, {}});
    w.reserve("ann@local.test", envelope.id, 500);
    CHECK(w.reserved("ann@local.test") == 500);
    REQUIRE(w.queue.put(std::move(envelope), "Subject: promised\r\n\r\nbody\r\n"));
    w.loops.run_until_idle();
    CHECK(w.queue.ids().empty());
    CHECK(w.reserved("ann@local.test") == 0);
    w.check_invariants(true);
}

TEST_CASE("while directory or store are down mail waits; nobody is unknown for it") {
    LocalWorld w;
    w.add({"ann@local.test"});
    SUBCASE("the directory") { w.people.set_down(true); }
    SUBCASE("the store") { w.stored.fail_with(store_trouble()); }
    w.start();
    const auto id = w.send("s@a.test", {"ann@local.test"});
    w.loops.run_until_idle();
    CHECK(w.state(id).status == RecipientStatus::pending);
    CHECK(w.state(id).last.code == 451);
    CHECK(w.state(id).last.status == "4.3.0");
    CHECK(w.state(id).last.text.find("disk") == std::string::npos);
    w.people.set_down(false);
    w.stored.fail_with(std::nullopt);
    w.loops.run_for(1h);
    CHECK(w.inbox("ann@local.test").size() == 1);
    w.check_invariants(true);
}

TEST_CASE("an outcome that is lost in a crash leaves one message in the mailbox, not two") {
    LocalWorld w;
    w.add({"ann@local.test"});
    w.start();
    w.queue.hold_records(true);
    const auto id = w.send("s@a.test", {"ann@local.test"});
    w.loops.run_for(1s);
    CHECK(w.inbox("ann@local.test").size() == 1);
    w.stop(0s);  // nothing of the outcome became durable
    w.queue.hold_records(false);
    CHECK(w.state(id).status == RecipientStatus::pending);
    w.start();
    w.loops.run_for(1min);
    CHECK(w.done(id));
    CHECK(w.inbox("ann@local.test").size() == 1);
}

TEST_CASE(
    "a domain that becomes ours while its mail waits is delivered here; a rule of its own sends it on all the "
    "same") {
    LocalWorld w;
    auto peer = w.site("new.test", "192.0.2.1");
    peer->down();
    w.start();
    const auto id = w.send("s@a.test", {"ann@new.test"});
    w.loops.run_for(1s);
    CHECK(w.state(id).status == RecipientStatus::pending);
    w.add({"ann@new.test"});
    bool moves = true;
    SUBCASE("ours") {}
    SUBCASE("with a rule") {
        moves = false;
        policy::DomainRule rule;
        rule.pattern = "new.test";
        rule.transport = policy::Transport{};
        w.config.routing.rules = {rule};
        w.reload();
        peer->up();
    }
    SUBCASE("with a rule for all") {
        policy::DomainRule rule;
        rule.pattern = "*";
        rule.smarthost = policy::Hop{"192.0.2.77", 25};
        w.config.routing.rules = {rule};
        w.reload();
    }
    w.loops.run_for(1h);
    CHECK(w.inbox("ann@new.test").size() == (moves ? 1 : 0));
    CHECK(peer->mail().size() == (moves ? 0 : 1));
    w.check_invariants(true);
}

TEST_CASE("ten thousand recipients of one message: one copy each, and no more under way than configured") {
    LocalWorld w;
    w.config.local.parallel = 8;
    std::vector<std::string> to;
    for (int i = 0; i < 10'000; ++i) {
        to.push_back("u" + std::to_string(i) + "@local.test");
        w.people.add_account(to.back());
    }
    w.start();
    w.send("s@a.test", to);
    w.loops.run_until_idle();
    for (const auto& address : to) REQUIRE(w.inbox(address).size() == 1);
    CHECK(w.events.count(EventKind::delivered) == 10'000);
    w.check_invariants(true);
}

TEST_CASE("a tag chooses a mailbox where the configuration says so and there is one") {
    LocalWorld w;
    w.add({"ann@local.test"});
    w.config.local.tag_mailboxes = true;
    w.start();
    (void)w.ask(
        w.stored.create_mailbox(w.loops.at(0), LocalWorld::name("ann@local.test"), "lists", store::Role::none));
    w.send("", {"ann+lists@local.test"});
    w.send("", {"ann+other@local.test"});
    w.loops.run_until_idle();
    CHECK(w.inbox("ann@local.test", "lists").size() == 1);
    CHECK(w.inbox("ann@local.test").size() == 1);
}

TEST_CASE("success is reported as delivered, by us") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.add({"ann@local.test"});
    w.start();
    w.send("s@a.test", {"ann@local.test"}, mail::notify::success);
    w.loops.run_until_idle();
    REQUIRE(peer->mail().size() == 1);
    CHECK(peer->mail()[0].data.find("Action: delivered") != std::string::npos);
    w.check_invariants(true);
}

TEST_CASE("a report to a sender of ours comes into its mailbox") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->on("RCPT", "550 5.1.1 no such user");
    w.add({"ann@local.test"});
    w.start();
    w.send("ann@local.test", {"r@a.test"});
    w.loops.run_until_idle();
    REQUIRE(w.inbox("ann@local.test").size() == 1);
    CHECK(w.inbox("ann@local.test")[0].starts_with("Return-Path: <>\r\n"));
    CHECK(w.inbox("ann@local.test")[0].find("Status: 5.1.1") != std::string::npos);
    w.check_invariants(true);
}

TEST_CASE("the local agent shows as one destination") {
    LocalWorld w;
    w.add({"ann@local.test"});
    w.start();
    w.send("", {"ann@local.test"});
    w.loops.run_until_idle();
    const auto all = w.ask(w.service->destinations(w.loops.at(0), "local.test", 10));
    REQUIRE(all.size() == 1);
    CHECK(all[0].key == "local mailboxes");
    CHECK(all[0].next_hop == "the store");
    CHECK(all[0].max_connections == 2 * w.config.local.parallel);
    CHECK(w.service->explain_route("local.test")[0].find("local") != std::string::npos);
}

TEST_CASE("the store may forget whom it gave a message to once nothing so old is queued, and no sooner") {
    LocalWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->on("RCPT", "450 4.2.0 later", 1000);
    w.add({"ann@local.test"});
    w.start();
    const auto first = w.send("", {"r@a.test"});
    const auto second = w.send("", {"ann@local.test"});
    const auto again = [&] {
        store::Delivery delivery;
        delivery.id = second;
        delivery.message.body = std::make_shared<store::MemorySource>("again\r\n");
        (void)w.ask(w.stored.deliver(w.loops.at(0), LocalWorld::name("ann@local.test"), std::move(delivery)));
        return w.inbox("ann@local.test").size();
    };
    w.loops.run_for(48h);
    CHECK_FALSE(w.done(first));
    CHECK(again() == 1);
    delivery::Selector which;
    which.ids = {first};
    (void)w.ask(cancel(*w.service, w.loops.at(0), which, false));
    w.loops.run_for(1min);
    CHECK(again() == 1);
    w.loops.run_for(3h);
    CHECK(again() == 2);
}
