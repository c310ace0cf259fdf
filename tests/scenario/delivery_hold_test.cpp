// RFC 4865: mail that its sender wants to go later.
#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using delivery::Hold;
using mail::EventKind;

namespace {

base::Ulid send_held(DeliveryWorld& w, std::chrono::milliseconds hold) {
    mail::Envelope envelope;
    envelope.id = w.ulids.next();
    envelope.reverse_path = *mail::parse_address("s@mail.test");
    envelope.recipients.push_back({*mail::parse_address("r@a.test"), 0, {}});
    envelope.arrival = w.loops.clock().wall();
    envelope.hold_until = envelope.arrival + hold;
    const base::Ulid id = envelope.id;
    REQUIRE(w.queue.put(std::move(envelope), "Subject: later\r\n\r\nbody\r\n"));
    return id;
}

delivery::RecipientView recipient(DeliveryWorld& w, const base::Ulid& id) {
    return w.ask(w.service->view(w.loops.at(0), id)).recipients.at(0);
}

}  // namespace

TEST_CASE("mail is held until its sender lets it go, over a restart too, and says so") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    const auto id = send_held(w, 2h);
    const auto release = w.queue.get(id)->envelope.hold_until;
    w.loops.run_for(1min);
    CHECK(recipient(w, id).why == Hold::held);
    CHECK(recipient(w, id).next_try == release);
    CHECK(w.ask(w.service->stats(w.loops.at(0))).deferred == 1);
    w.loops.run_for(1h);
    CHECK(peer->connections() == 0);
    w.restart();
    CHECK(recipient(w, id).why == Hold::held);
    w.loops.run_for(58min);
    CHECK(peer->mail().empty());
    w.loops.run_for(2min);
    CHECK(peer->mail().size() == 1);
    CHECK(w.done(id));
    w.check_invariants(true);
}

TEST_CASE("the age of held mail counts from its release") {
    DeliveryWorld w;
    w.config.retry.max_age = 24h;
    w.config.dsn.delay_warning = 4h;
    auto peer = w.site("a.test", "192.0.2.1");
    auto home = w.site("mail.test", "192.0.2.2");
    peer->on("RCPT", "450 4.2.0 later", 2);
    w.start();
    const auto id = send_held(w, 72h);
    w.loops.run_for(72h + 1min);
    CHECK(w.state(id).attempts > 0);
    CHECK(w.events.count(EventKind::dsn_sent) == 0);  // neither late nor too old yet
    w.loops.run_for(1h);
    CHECK(peer->mail().size() == 1);
    CHECK(home->mail().empty());
    w.check_invariants(true);
}

TEST_CASE("an operator sends held mail at once") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    const auto id = send_held(w, 2h);
    w.loops.run_for(1s);
    delivery::Selector which;
    which.ids = {id};
    CHECK(w.ask(retry(*w.service, w.loops.at(0), which)).count() == 1);
    w.loops.run_for(1s);
    CHECK(peer->mail().size() == 1);
    for (const auto& done : w.events.of(EventKind::done)) CHECK(done.elapsed >= base::Duration{});
    w.check_invariants(true);
}
