// Rate limits, freezing and what operators see and do.
#include "tests/scenario/delivery_world.hpp"

#include <malloc.h>

#include <filesystem>
#include <set>

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using delivery::Hold;
using delivery::ListQuery;
using delivery::Selector;
using mail::EventKind;
using mail::RecipientStatus;

namespace {

policy::DomainRule limited(std::string pattern, double rate, std::uint32_t burst) {
    policy::DomainRule rule;
    rule.pattern = std::move(pattern);
    rule.messages_per_second = rate;
    rule.burst_size = burst;
    return rule;
}

Selector domain(std::string name) {
    Selector which;
    which.domain = std::move(name);
    return which;
}
Selector one(const base::Ulid& id) {
    Selector which;
    which.ids = {id};
    return which;
}

net::Task<> finish(net::Task<base::Result<Changed>> order) { co_await std::move(order); }

struct TempDir {
    TempDir() {
        char name[] = "/tmp/posthorn-scenario-XXXXXX";
        path = mkdtemp(name);
    }
    ~TempDir() { std::filesystem::remove_all(path); }
    std::string path;
};

}  // namespace

TEST_CASE("a limited domain never exceeds its rate, and is not kept below it") {
    DeliveryWorld w;
    auto peer = w.site("slow.test", "192.0.2.1");
    auto free = w.site("free.test", "192.0.2.2");
    peer->set_think_time(30ms);
    w.config.routing.rules = {limited("slow.test", 0.5, 4)};
    w.start();
    for (int i = 0; i < 60; ++i) {
        w.send("", {"r@slow.test"});
        w.send("", {"r@free.test"});
        w.loops.run_for(100ms);
    }
    w.loops.run_for(1s);
    CHECK(free->mail().size() == 60);
    w.loops.run_for(120s);
    const auto& times = peer->transactions();
    CHECK(times.size() == 60);
    for (std::size_t i = 0; i < times.size(); ++i) {
        for (std::size_t j = i; j < times.size(); ++j) {
            const double span = std::chrono::duration<double>(times[j] - times[i]).count();
            REQUIRE(static_cast<double>(j - i + 1) <= 4 + 0.5 * span + 1e-6);
        }
    }
    CHECK(w.events.count(EventKind::rate_limited) >= 50);
    CHECK(w.events.count(EventKind::deferred) == 0);
    w.check_invariants(true);
}

TEST_CASE("a host that takes its time over RSET sees no MAIL ahead of its token") {
    DeliveryWorld w;
    auto peer = w.site("slow.test", "192.0.2.1");
    peer->set_extensions({"8BITMIME"});  // without PIPELINING RSET is a turn of its own
    peer->set_think_time(510ms);
    peer->on("RCPT TO", "450 4.2.1 later");
    w.config.routing.max_connections = 3;
    w.config.routing.rules = {limited("slow.test", 2, 1)};
    w.start();
    for (int i = 0; i < 40; ++i) {
        w.send("", {"r@slow.test"});
        w.loops.run_for(170ms);
    }
    w.loops.run_for(60s);
    const auto& times = peer->transactions();
    CHECK(times.size() >= 40);
    CHECK(std::ranges::count(peer->commands(), "RSET") >= 30);
    for (std::size_t i = 1; i < times.size(); ++i) REQUIRE(times[i] - times[i - 1] >= 500ms);
}

TEST_CASE("a limited message stays pending, is no attempt, and knows when") {
    DeliveryWorld w;
    auto peer = w.site("slow.test", "192.0.2.1");
    w.config.routing.rules = {limited("slow.test", 0.1, 1)};
    w.start();
    const auto send = [&] {  // one after the other: shards do not keep the order among each other
        const auto id = w.send("", {"r@slow.test"});
        w.loops.run_until_idle();
        return id;
    };
    send();
    const auto second = send();
    const auto third = send();
    w.loops.run_for(1s);
    auto view = w.ask(w.service->view(w.loops.at(0), second));
    REQUIRE(view.recipients.size() == 1);
    CHECK(view.recipients[0].why == Hold::bucket);
    CHECK(view.recipients[0].attempts == 0);
    const auto in = [&](const base::Ulid& id) {
        const auto v = w.ask(w.service->view(w.loops.at(0), id));
        return *v.recipients[0].next_try - w.loops.clock().wall();
    };
    CHECK(in(second) > 8s);
    CHECK(in(second) < 10s);
    CHECK(in(third) > 18s);
    CHECK(in(third) < 20s);
    w.loops.run_for(10s);
    CHECK(w.done(second));
    CHECK_FALSE(w.done(third));
}

TEST_CASE("a new configuration applies to queued mail") {
    DeliveryWorld w;
    auto peer = w.site("slow.test", "192.0.2.1");
    SmtpPeer other(w.connector, endpoint("192.0.2.77", 2525));
    w.config.routing.rules = {limited("slow.test", 0.001, 1)};
    w.start();
    for (int i = 0; i < 10; ++i) w.send("s@mail.test", {"r@slow.test"});
    w.loops.run_for(1min);
    CHECK(peer->mail().size() == 1);
    SUBCASE("another rate") { w.config.routing.rules = {limited("slow.test", 100, 10)}; }
    SUBCASE("another next hop") {
        w.config.routing.rules = {limited("slow.test", 100, 10)};
        w.config.routing.rules[0].mx_override = policy::Hop{"192.0.2.77", 2525};
    }
    w.reload();
    w.loops.run_for(10s);
    CHECK(peer->mail().size() + other.mail().size() == 10);
    if (w.config.routing.rules[0].mx_override) CHECK(other.mail().size() == 9);
    w.check_invariants(true);
}

TEST_CASE("a shorter max_age applies to queued mail") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    const auto id = w.send("", {"r@a.test"});
    w.loops.run_for(1h);
    w.config.retry.max_age = 30min;
    w.reload();
    w.loops.run_for(1s);
    CHECK(w.done(id));
    CHECK(w.events.count(EventKind::expired) == 1);
}

TEST_CASE("freezing a message, a domain, everything") {
    TempDir dir;
    DeliveryWorld w;
    w.config.state_dir = dir.path;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    auto& loop = w.loops.at(0);
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(1s);
    Selector which;
    SUBCASE("message") { which = one(id); }
    SUBCASE("domain") { which = domain("a.test"); }
    SUBCASE("everything") { which = {}; }
    CHECK(w.ask(freeze(*w.service, loop, which)).count() == 1);
    peer->up();
    w.loops.run_for(24h);
    CHECK(peer->connections() == 0);
    auto view = w.ask(w.service->view(loop, id));
    CHECK(view.frozen);
    CHECK(view.recipients[0].why == Hold::frozen);
    CHECK(w.ask(w.service->stats(loop)).frozen == 1);
    CHECK_FALSE(view.recipients[0].next_try);
    ListQuery query;
    query.which.status = Selector::Status::frozen;
    CHECK(w.ask(w.service->list(loop, query)).matched == 1);

    w.restart();
    w.loops.run_for(24h * 6);
    CHECK(peer->connections() == 0);
    CHECK_FALSE(w.done(id));
    if (!which.domain.empty()) {
        CHECK(w.ask(w.service->stats(loop)).frozen_domains == std::vector<std::string>{"a.test"});
    }
    w.config.retry.max_age = 24h * 10;
    w.reload();
    CHECK(w.ask(unfreeze(*w.service, loop, which)).count() == 1);
    w.loops.run_for(1s);
    CHECK(peer->mail().size() == 1);
    w.check_invariants(true);
}

TEST_CASE("frozen again before the unfreeze is durable, it stays") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    auto& loop = w.loops.at(0);
    const auto id = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(1s);
    w.ask(freeze(*w.service, loop, one(id)));
    w.loops.run_for(1h);
    peer->up();
    w.queue.hold_records(true);
    net::spawn(loop, "unfreeze", finish(unfreeze(*w.service, loop, one(id))));
    w.loops.run_until_idle();
    net::spawn(loop, "freeze", finish(freeze(*w.service, loop, one(id))));
    w.loops.run_until_idle();
    w.queue.hold_records(false);
    w.loops.run_for(24h);
    CHECK(peer->connections() == 0);
    CHECK(w.queue.get(id)->frozen);
    w.ask(unfreeze(*w.service, loop, one(id)));
    w.loops.run_for(1s);
    CHECK(peer->mail().size() == 1);
}

TEST_CASE("mail expires within a second of its age") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.config.retry.max_age = 3s;
    SUBCASE("between two attempts") { peer->down(); }
    SUBCASE("waiting for a token") {
        w.config.routing.rules = {limited("a.test", 0.001, 1)};
        w.start();
        w.send("", {"1@a.test"});
        w.loops.run_until_idle();
    }
    if (!w.service) w.start();
    w.send("", {"2@a.test"});
    w.loops.run_for(2900ms);
    CHECK(w.events.count(EventKind::expired) == 0);
    w.loops.run_for(1100ms);
    CHECK(w.events.count(EventKind::expired) == 1);
}

TEST_CASE("a transaction that waits for a token does not outlast a stop") {
    DeliveryWorld w;
    auto second = w.site("a.test", "192.0.2.2", 20);
    auto first = w.site("a.test", "192.0.2.1", 10);
    first->on("MAIL", std::string(SmtpPeer::kDrop));
    w.config.routing.rules = {limited("a.test", 0.001, 1)};
    w.start();
    const auto id = w.send("", {"r@a.test"});
    w.loops.run_for(1s);
    CHECK(w.ask(w.service->view(w.loops.at(0), id)).recipients[0].why == Hold::bucket);
    const auto before = w.loops.clock().steady();
    w.stop(5min);
    CHECK(w.loops.clock().steady() - before < 1s);
    CHECK(w.state(id).attempts == 1);
    CHECK(second->transactions().empty());
}

TEST_CASE("who sends names the message in hand, on whatever loop, and puts it down") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    std::vector<base::Ulid> ids;
    for (int i = 0; i < 16; ++i) ids.push_back(w.send("s@mail.test", {"r@a.test"}));
    w.loops.run_until_idle();
    CHECK(peer->mail().size() == 16);
    // The owners' shards share nothing: only the one loop of the destination has had them all.
    const std::set<base::Ulid> all(ids.begin(), ids.end());
    CHECK((w.queue.were_in_hand(0) == all || w.queue.were_in_hand(1) == all));
    CHECK_FALSE(w.queue.in_hand(0));
    CHECK_FALSE(w.queue.in_hand(1));
}

TEST_CASE("an operator's retry is at once, also where nothing was reachable") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    const auto first = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(1s);
    const auto second = w.send("s@mail.test", {"r@a.test"});
    w.loops.run_for(1s);
    auto view = w.ask(w.service->view(w.loops.at(0), second));
    CHECK(view.recipients[0].why == Hold::unreachable);
    view = w.ask(w.service->view(w.loops.at(0), first));
    CHECK(view.recipients[0].why == Hold::backoff);
    CHECK(view.recipients[0].last.status == "4.4.1");
    peer->up();
    CHECK(w.ask(retry(*w.service, w.loops.at(0), one(first))).count() == 1);
    w.loops.run_for(1s);
    CHECK(peer->mail().size() == 2);
    auto gone = w.ask(retry(*w.service, w.loops.at(0), one(first)));
    CHECK(gone.count() == 0);
    CHECK(gone.unknown == std::vector<base::Ulid>{first});
    w.check_invariants(true);
}

TEST_CASE("cancelling, silently and with a report") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    auto home = w.site("home.test", "192.0.2.2");
    peer->down();
    w.start();
    const auto id = w.send("me@home.test", {"r@a.test", "q@a.test"});
    w.loops.run_for(1s);
    SUBCASE("silently") {
        CHECK(w.ask(cancel(*w.service, w.loops.at(1), one(id), false)).count() == 1);
        CHECK(w.done(id));
        w.loops.run_for(1h);
        CHECK(home->mail().empty());
        CHECK(w.events.count(EventKind::cancelled) == 2);
    }
    SUBCASE("with a report") {
        CHECK(w.ask(cancel(*w.service, w.loops.at(1), one(id), true)).count() == 1);
        CHECK(w.done(id));
        w.loops.run_for(1h);
        CHECK(home->mail().size() == 1);
    }
    w.check_invariants(true);
}

TEST_CASE("cancelling for a domain leaves the recipients of others alone") {
    DeliveryWorld w;
    auto dead = w.site("dead.test", "192.0.2.1");
    auto good = w.site("good.test", "192.0.2.2");
    dead->down();
    good->down();
    w.start();
    const auto id = w.send("me@home.test", {"r@dead.test", "q@good.test"});
    w.loops.run_for(1s);
    CHECK(w.ask(cancel(*w.service, w.loops.at(1), domain("dead.test"), false)).count() == 1);
    CHECK(w.events.count(EventKind::cancelled) == 1);
    CHECK_FALSE(w.done(id));
    good->up();
    w.loops.run_for(1h);
    CHECK(good->mail().size() == 1);
    CHECK(w.done(id));
    w.check_invariants(true);
}

TEST_CASE("what is in an attempt when it is cancelled ends it, and is not tried again") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    auto home = w.site("home.test", "192.0.2.2");
    peer->set_think_time(1s);
    w.start();
    const auto id = w.send("me@home.test", {"r@a.test"});
    w.loops.run_for(2500ms);
    SUBCASE("it fails") {
        peer->on("RCPT", "450 4.2.0 later");
        w.ask(cancel(*w.service, w.loops.at(0), one(id), false));
        w.loops.run_for(1h);
        CHECK(w.state(id).status == RecipientStatus::cancelled);
        CHECK(peer->transactions().size() == 1);
    }
    SUBCASE("it succeeds") {
        w.ask(cancel(*w.service, w.loops.at(0), one(id), false));
        w.loops.run_for(1h);
        CHECK(w.state(id).status == RecipientStatus::delivered);
    }
    w.check_invariants(true);
}

TEST_CASE("a cancel or freeze while a connection is being opened") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.config.routing.max_connections = 2;
    peer->set_think_time(1s);
    peer->on("greeting", "421 4.7.0 one is enough");
    peer->on("greeting", "220 welcome", 1);
    w.start();
    w.send("s@mail.test", {"1@a.test"});
    w.loops.run_for(2500ms);  // the first is in its transaction ...
    const auto id = w.send("s@mail.test", {"2@a.test"});
    w.loops.run_for(100ms);  // ... and a second connection is under way for this one
    SUBCASE("cancel") {
        w.ask(cancel(*w.service, w.loops.at(0), one(id), false));
        w.loops.run_for(1h);
        CHECK(w.state(id).status == RecipientStatus::cancelled);
        CHECK(peer->mail().size() == 1);
    }
    SUBCASE("freeze") {
        w.ask(freeze(*w.service, w.loops.at(0), one(id)));
        w.loops.run_for(1h);
        CHECK_FALSE(w.done(id));
        CHECK(peer->mail().size() == 1);
        peer->clear();
        w.ask(unfreeze(*w.service, w.loops.at(0), one(id)));
        w.loops.run_for(1min);
        CHECK(w.done(id));
    }
    SUBCASE("neither") {
        w.loops.run_for(1h);
        CHECK(peer->mail().size() == 2);
    }
    w.check_invariants(true);
}

TEST_CASE("freezing takes back what waits for a token") {
    DeliveryWorld w;
    auto peer = w.site("slow.test", "192.0.2.1");
    w.config.routing.rules = {limited("slow.test", 0.1, 1)};
    w.start();
    std::vector<base::Ulid> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(w.send("s@mail.test", {"r@slow.test"}));
    w.loops.run_for(1s);
    CHECK(peer->mail().size() == 1);
    const Selector which = domain("slow.test");
    CHECK(w.ask(freeze(*w.service, w.loops.at(1), which)).count() == 4);
    w.loops.run_for(1h);
    CHECK(peer->mail().size() == 1);
    CHECK(w.ask(w.service->stats(w.loops.at(1))).destinations.empty());
    w.ask(unfreeze(*w.service, w.loops.at(1), which));
    w.loops.run_for(1min);
    CHECK(peer->mail().size() == 5);
    w.check_invariants(true);
}

TEST_CASE("a queued message costs less than 512 octets of memory") {
    DeliveryWorld w;
    auto peer = w.site("slow.test", "192.0.2.1");
    w.config.routing.rules = {limited("slow.test", 0.00001, 1)};
    constexpr std::size_t kMessages = 20'000;
    for (std::size_t i = 0; i < kMessages; ++i) w.send("s@mail.test", {"r@slow.test"});
    const auto before = ::mallinfo2().uordblks;
    w.start();  // each waits for a token: in its owner's hands and in the line of its destination
    w.loops.run_for(1h);
    w.events.events.clear();
    const auto used = ::mallinfo2().uordblks - before;
    CAPTURE(used / kMessages);
    CHECK(peer->mail().size() == 1);
    CHECK(used / kMessages < 512);
}

TEST_CASE("a list is sorted, filtered and bounded") {
    DeliveryWorld w(4);
    auto peer = w.site("a.test", "192.0.2.1");
    auto other = w.site("b.test", "192.0.2.2");
    peer->down();
    other->down();
    w.start();
    std::vector<base::Ulid> ids;
    for (int i = 0; i < 30; ++i) {
        ids.push_back(w.send("s" + std::to_string(i) + "@mail.test", {i % 3 == 0 ? "r@b.test" : "r@a.test"}));
        w.loops.run_for(1s);
    }
    ListQuery query;
    query.limit = 5;
    auto list = w.ask(w.service->list(w.loops.at(0), query));
    CHECK(list.matched == 30);
    CHECK(list.truncated);
    REQUIRE(list.messages.size() == 5);
    CHECK(list.messages[0].id == ids[0]);
    CHECK(list.messages[0].sender == "s0@mail.test");
    CHECK(list.messages[0].recipients[0].address == "r@b.test");
    query.descending = true;
    CHECK(w.ask(w.service->list(w.loops.at(0), query)).messages[0].id == ids[29]);
    query.limit = 100;
    query.which.domain = "b.test";
    list = w.ask(w.service->list(w.loops.at(0), query));
    CHECK(list.matched == 10);
    CHECK_FALSE(list.truncated);
    query.which.domain.clear();
    query.which.sender = "S17@";
    list = w.ask(w.service->list(w.loops.at(0), query));
    REQUIRE(list.messages.size() == 1);
    CHECK(list.messages[0].id == ids[17]);
    const auto stats = w.ask(w.service->stats(w.loops.at(0)));
    CHECK(stats.messages == 30);
    CHECK(stats.recipients_pending == 30);
    CHECK(stats.deferred + stats.waiting + stats.in_flight == 30);
}
