// Which host a message goes to, and what follows when none takes it.
#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using mail::EventKind;
using mail::RecipientStatus;

namespace {

mail::RecipientState attempt(DeliveryWorld& w, const std::string& to) {
    const auto id = w.send("", {to});  // from "<>": no report, the state stays to be seen
    w.loops.run_for(5min);
    return w.state(id);
}

}  // namespace

TEST_CASE("all MX hosts down: each address is tried, then deferred") {
    DeliveryWorld w;
    w.resolver.add_mx("a.test", 10, "mx1.a.test");
    w.resolver.add_mx("a.test", 20, "mx2.a.test");
    w.resolver.add_address("mx1.a.test", "192.0.2.1");
    w.resolver.add_address("mx1.a.test", "2001:db8::1");
    w.resolver.add_address("mx2.a.test", "192.0.2.2");
    w.start();
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_until_idle();
    CHECK(w.connector.attempts() ==
          std::vector<net::Endpoint>{endpoint("2001:db8::1"), endpoint("192.0.2.1"), endpoint("192.0.2.2")});
    CHECK(w.state(id).status == RecipientStatus::pending);
    CHECK(w.state(id).attempts == 1);
}

TEST_CASE("broken IPv6 falls back to IPv4, and is remembered") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.resolver.add_address("mx1.a.test", "2001:db8::1");
    w.connector.stall(endpoint("2001:db8::1"));
    w.config.connection_transactions = 1;
    w.start();
    w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(40s);
    CHECK(peer->mail().size() == 1);
    CHECK(w.events.count(EventKind::deferred) == 0);
    const auto before = w.connector.attempts().size();
    w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(1s);
    CHECK(peer->mail().size() == 2);
    CHECK(w.connector.attempts().size() == before + 1);
}

TEST_CASE("4xx at the greeting: the next host; preference decides") {
    DeliveryWorld w;
    auto second = w.site("a.test", "192.0.2.2", 20);
    auto first = w.site("a.test", "192.0.2.1", 10);
    first->on("greeting", "421 4.3.2 busy", 1);
    w.start();
    w.send("s@mail.test", {"r@a.test"});
    w.loops.run_until_idle();
    CHECK(first->connections() == 1);
    CHECK(second->mail().size() == 1);
}

TEST_CASE("a connection lost in the middle: the next host, once") {
    DeliveryWorld w;
    auto second = w.site("a.test", "192.0.2.2", 20);
    auto first = w.site("a.test", "192.0.2.1", 10);
    SUBCASE("dropped at DATA") { first->on("DATA", std::string(SmtpPeer::kDrop)); }
    SUBCASE("421 at RCPT") { first->on("RCPT", "421 4.3.2 going down"); }
    SUBCASE("silent at MAIL") { first->on("MAIL", std::string(SmtpPeer::kStall)); }
    w.start();
    w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(5min);
    CHECK(first->mail().empty());
    CHECK(second->mail().size() == 1);
    CHECK(w.events.count(EventKind::deferred) == 0);
    w.check_invariants(true);
}

TEST_CASE("5xx at the greeting fails only when every host says so") {
    DeliveryWorld w;
    auto second = w.site("a.test", "192.0.2.2", 20);
    auto first = w.site("a.test", "192.0.2.1", 10);
    first->on("greeting", "554 5.7.1 go away");
    SUBCASE("the other takes it") {
        w.start();
        attempt(w, "r@a.test");
        CHECK(second->mail().size() == 1);
    }
    SUBCASE("the other is busy") {
        second->on("greeting", "421 4.3.2 busy");
        w.start();
        CHECK(attempt(w, "r@a.test").status == RecipientStatus::pending);
    }
    SUBCASE("both") {
        second->on("greeting", "554 5.7.1 go away");
        w.start();
        const auto state = attempt(w, "r@a.test");
        CHECK(state.status == RecipientStatus::failed);
        CHECK(state.attempts == 1);
        CHECK(state.last.code == 554);
    }
}

TEST_CASE("a host that cannot take a message: it fails only when no host can") {
    DeliveryWorld w;
    auto second = w.site("a.test", "192.0.2.2", 20);
    auto first = w.site("a.test", "192.0.2.1", 10);
    first->set_extensions({"PIPELINING", "SIZE 100"});
    const std::string large = "Subject: x\r\n\r\n" + std::string(200, 'x') + "\r\n";
    const auto go = [&] {
        w.start();
        const auto id = w.send("", {"r@a.test"}, 0, large);
        w.loops.run_for(30s);
        return w.state(id);
    };
    SUBCASE("the other takes it") {
        CHECK(go().status == RecipientStatus::delivered);
        CHECK(second->mail().size() == 1);
        CHECK(w.events.count(EventKind::deferred) == 0);
    }
    SUBCASE("also over a connection that stands") {
        w.start();
        w.send("", {"r@a.test"});
        w.loops.run_until_idle();
        w.send("", {"r@a.test"}, 0, large);
        w.loops.run_for(30s);
        CHECK(first->mail().size() == 1);
        CHECK(second->mail().size() == 1);
        w.check_invariants(true);
    }
    SUBCASE("the other is down") {
        second->down();
        const auto state = go();
        CHECK(state.status == RecipientStatus::pending);
        CHECK(state.attempts == 1);
        CHECK(state.last.status == "4.4.1");
        second->up();
        w.loops.run_for(5min);
        CHECK(second->mail().size() == 1);
    }
    SUBCASE("the other cannot either") {
        second->set_extensions({"SIZE 150"});
        const auto state = go();
        CHECK(state.status == RecipientStatus::failed);
        CHECK(state.last.status == "5.3.4");
        CHECK(state.attempts == 1);
        CHECK(first->transactions().size() + second->transactions().size() == 0);
    }
    SUBCASE("the other refuses us") {
        second->on("greeting", "554 5.7.1 go away");
        const auto state = go();
        CHECK(state.status == RecipientStatus::failed);
        CHECK(state.last.status == "5.3.4");
    }
}

TEST_CASE("an address that one host cannot be told goes to the other, the rest stays") {
    DeliveryWorld w;
    auto second = w.site("a.test", "192.0.2.2", 20);
    auto first = w.site("a.test", "192.0.2.1", 10);
    second->set_extensions({"PIPELINING", "8BITMIME", "SMTPUTF8"});
    w.start();
    w.send("s@mail.test", {"plain@a.test", "\xc3\xa9@a.test"});
    w.loops.run_for(1min);
    REQUIRE(first->mail().size() == 1);
    CHECK(first->mail()[0].to == std::vector<std::string>{"plain@a.test"});
    REQUIRE(second->mail().size() == 1);
    CHECK(second->mail()[0].to == std::vector<std::string>{"\xc3\xa9@a.test"});
    CHECK(w.events.count(EventKind::deferred) == 0);
    w.check_invariants(true);
}

TEST_CASE("a smarthost that cannot take a message is the last word") {
    DeliveryWorld w;
    SmtpPeer relay(w.connector, endpoint("192.0.2.1", 587));
    policy::DomainRule rule;
    rule.pattern = "*";
    rule.smarthost = policy::Hop{"192.0.2.1", 587};
    w.config.routing.rules = {rule};
    relay.set_extensions({"SIZE 10"});
    w.start();
    CHECK(attempt(w, "r@a.test").status == RecipientStatus::failed);
}

TEST_CASE("a smarthost that turns us away is no fault of the recipient") {
    DeliveryWorld w;
    SmtpPeer relay(w.connector, endpoint("192.0.2.1", 587));
    policy::DomainRule rule;
    rule.pattern = "*";
    rule.smarthost = policy::Hop{"192.0.2.1", 587};
    w.config.routing.rules = {rule};
    relay.on("greeting", "554 5.7.1 who are you", 1);
    w.start();
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(1s);
    CHECK(w.state(id).status == RecipientStatus::pending);
    CHECK(w.state(id).last.status == "4.7.1");
    w.loops.run_for(2min);
    CHECK(relay.mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("a permanent failure is never tried again") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->on("RCPT", "550 5.1.1 no such user");
    w.start();
    CHECK(attempt(w, "r@a.test").status == RecipientStatus::failed);
    w.loops.run_for(24h * 6);
    CHECK(peer->transactions().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("what DNS states as a fact is permanent, its trouble is not") {
    DeliveryWorld w;
    SUBCASE("null MX") {
        w.resolver.add_mx("a.test", 0, "");
        w.start();
        CHECK(attempt(w, "r@a.test").last.status == "5.1.10");
    }
    SUBCASE("no such domain") {
        w.start();
        const auto state = attempt(w, "r@a.test");
        CHECK(state.status == RecipientStatus::failed);
        CHECK(state.last.status == "5.1.2");
    }
    SUBCASE("neither MX nor address") {
        w.resolver.add_txt("a.test", "x");
        w.start();
        CHECK(attempt(w, "r@a.test").last.status == "5.4.4");
    }
    SUBCASE("servers fail") {
        w.resolver.fail("a.test", net::DnsStatus::servfail);
        w.start();
        const auto state = attempt(w, "r@a.test");
        CHECK(state.status == RecipientStatus::pending);
        CHECK(state.last.status == "4.4.3");
    }
    SUBCASE("MX hosts without addresses: the domain's own address is not tried") {
        auto peer = w.site("a.test", "192.0.2.1");
        w.resolver.remove("mx1.a.test");
        w.resolver.add_address("a.test", "192.0.2.1");
        w.start();
        CHECK(attempt(w, "r@a.test").last.status == "5.4.4");
        CHECK(peer->connections() == 0);
    }
}

TEST_CASE("without MX records the domain's own address takes mail, and literals need no DNS") {
    DeliveryWorld w;
    SmtpPeer peer(w.connector, endpoint("192.0.2.1"));
    w.resolver.add_address("a.test", "192.0.2.1");
    w.start();
    attempt(w, "r@a.test");
    attempt(w, "r@[192.0.2.1]");
    CHECK(peer.mail().size() == 2);
}

TEST_CASE("mail that would loop back to us") {
    DeliveryWorld w;
    SUBCASE("only we are MX, by name") {
        w.resolver.add_mx("a.test", 10, "mail.test");
        w.start();
        CHECK(attempt(w, "r@a.test").last.status == "5.4.6");
    }
    SUBCASE("only we are MX, by address") {
        w.resolver.add_mx("a.test", 10, "other.test");
        w.resolver.add_address("other.test", "192.0.2.99");
        w.start();
        CHECK(attempt(w, "r@a.test").last.status == "5.4.6");
    }
    SUBCASE("better hosts than we are tried, worse are not") {
        auto worse = w.site("a.test", "192.0.2.3", 30);
        auto better = w.site("a.test", "192.0.2.1", 10);
        w.resolver.add_mx("a.test", 20, "mail.test");
        better->down();
        w.start();
        CHECK(attempt(w, "r@a.test").status == RecipientStatus::pending);
        CHECK(worse->connections() == 0);
    }
    SUBCASE("an override that is our own listener") {
        policy::DomainRule rule;
        rule.pattern = "a.test";
        rule.mx_override = policy::Hop{"192.0.2.99", 25};
        w.config.routing.rules = {rule};
        w.start();
        CHECK(attempt(w, "r@a.test").last.status == "5.4.6");
    }
}

TEST_CASE("a host that takes no second connection gets its mail over the first") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->set_think_time(100ms);
    SUBCASE("it says so with 421") { peer->on("greeting", "421 4.7.0 too many connections"); }
    SUBCASE("it says so with 554") { peer->on("greeting", "554 5.7.1 too many connections"); }
    peer->on("greeting", "220 welcome", 1);
    w.start();
    for (int i = 0; i < 20; ++i) w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(60s);
    CHECK(peer->mail().size() == 20);
    CHECK(w.events.count(EventKind::deferred) == 0);
    w.check_invariants(true);
}

TEST_CASE("a dead destination costs one attempt, not one a message") {
    DeliveryWorld w;
    w.resolver.add_mx("a.test", 10, "mx.a.test");
    w.resolver.add_address("mx.a.test", "192.0.2.1");
    w.connector.stall(endpoint("192.0.2.1"));
    w.start();
    for (int i = 0; i < 50; ++i) w.send("", {"r@a.test"});
    w.loops.run_for(31s);
    CHECK(w.connector.attempts().size() == 1);
    CHECK(w.events.count(EventKind::deferred) == 50);
}
