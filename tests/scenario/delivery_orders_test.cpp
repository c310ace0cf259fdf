// Orders about many messages, part by part.
#include <set>

#include "delivery/turns.hpp"
#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using delivery::Order;
using delivery::Ordered;

namespace {

using Part = base::Result<std::optional<std::vector<Ordered>>>;

net::Task<> next_part(net::Loop* loop, delivery::Ordering* ordering, std::optional<Part>* into) {
    Part part = co_await ordering->next(*loop);
    into->emplace(std::move(part));
}

// Nothing: that was all.
std::optional<std::vector<Ordered>> next(DeliveryWorld& w, delivery::Ordering& ordering) {
    std::optional<Part> part;
    REQUIRE(w.loops.run(next_part(&w.loops.at(0), &ordering, &part), 10s));
    REQUIRE(part->has_value());
    return std::move(**part);
}

bool held(const delivery::Ticket& ticket) { return ticket.use_count() > 0; }

net::Task<> hold_turn(std::shared_ptr<delivery::Turns> turns, net::Loop* loop, delivery::Ticket* into) {
    *into = co_await delivery::Turns::take(std::move(turns), *loop);
}

}  // namespace

TEST_CASE("an order with a filter that reads messages tells of each page as it is done") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    std::set<base::Ulid> mine;
    for (int i = 0; i < 300; ++i) {
        const auto id = w.send(i % 2 == 0 ? "ann@mail.test" : "bob@mail.test", {"r@a.test"});
        if (i % 2 == 0) mine.insert(id);
    }
    w.loops.run_for(1s);
    delivery::Selector which;
    which.sender = "ann";
    const auto ordering = w.service->order(Order::cancel, which);
    std::size_t parts = 0;
    std::set<base::Ulid> told;
    while (const auto part = next(w, *ordering)) {
        ++parts;
        for (const auto& [id, how] : *part) {
            CHECK(how == Ordered::How::done);
            CHECK(w.done(id));
            CHECK(told.insert(id).second);
        }
        if (parts == 1) CHECK(told.size() < 10);  // the first does not wait for the others
    }
    CHECK(told == mine);
    CHECK(parts >= 5);
    CHECK_FALSE(next(w, *ordering));  // it stays at its end
}

TEST_CASE("named messages that are not there are told of, in the order asked") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    delivery::Selector which;
    for (int i = 0; i < 2500; ++i) which.ids.push_back(i % 2 == 0 ? w.send("", {"r@a.test"}) : w.ulids.next());
    w.loops.run_for(1s);
    for (const auto order : {Order::retry, Order::freeze, Order::unfreeze, Order::cancel}) {
        const auto ordering = w.service->order(order, which);
        std::map<Ordered::How, std::size_t> count;
        std::size_t at = 0;
        while (const auto part = next(w, *ordering)) {
            CHECK(part->size() <= 1000);
            for (const auto& one : *part) {
                CHECK(one.id == which.ids.at(at++));
                ++count[one.how];
            }
        }
        CHECK(count[Ordered::How::unknown] == 1250);
        CHECK(count[Ordered::How::done] + count[Ordered::How::under_way] == 1250);
    }
}

TEST_CASE("while changes cannot be made durable there are signs of life, and no false answer") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    const auto id = w.send("", {"r@a.test"});
    w.loops.run_for(1s);
    delivery::Selector which;
    which.ids = {id};
    const auto ordering = w.service->order(Order::freeze, which);
    w.queue.hold_records(true);
    for (int i = 0; i < 5; ++i) {
        const auto part = next(w, *ordering);
        REQUIRE(part);
        CHECK(part->empty());
    }
    CHECK_FALSE(w.queue.get(id)->frozen);
    w.queue.hold_records(false);
    const auto part = next(w, *ordering);
    REQUIRE(part);
    REQUIRE(part->size() == 1);
    CHECK(part->front().id == id);
    CHECK(w.queue.get(id)->frozen);
    CHECK_FALSE(next(w, *ordering));
}

TEST_CASE("an order that a stop leaves unrecorded is not told as done") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    peer->down();
    w.start();
    const auto id = w.send("", {"r@a.test"});
    w.loops.run_for(1s);
    delivery::Selector which;
    which.ids = {id};
    for (const auto order : {Order::freeze, Order::cancel}) {
        w.queue.fail_records(1'000'000);
        const auto ordering = w.service->order(order, which);
        std::optional<Part> part;
        net::spawn(w.loops.at(0), "order", next_part(&w.loops.at(0), ordering.get(), &part));
        w.loops.run_for(100ms);
        CHECK_FALSE(part);
        bool stopped = false;
        w.service->stop(30s, [&] { stopped = true; });
        CHECK(w.loops.run_until([&] { return stopped && part; }, 30s));
        REQUIRE(part);
        CHECK_FALSE(part->has_value());
        CHECK_FALSE(w.done(id));
        CHECK_FALSE(w.queue.get(id)->frozen);
        w.queue.fail_records(0);
        w.queue.detach();
        w.service.reset();
        w.start();
    }
}

TEST_CASE("turns pass from one to the next at once, in their order, over loops") {
    net::SimLoops loops(2);
    const auto turns = std::make_shared<delivery::Turns>();
    delivery::Ticket tickets[3];
    for (std::size_t i = 0; i < 3; ++i) {
        net::spawn(loops.at(i % 2), "turn", hold_turn(turns, &loops.at(i % 2), &tickets[i]));
        loops.run_until_idle();
    }
    CHECK(held(tickets[0]));
    CHECK_FALSE(held(tickets[1]));
    CHECK_FALSE(held(tickets[2]));
    tickets[0].reset();
    loops.run_until_idle();
    CHECK(held(tickets[1]));
    CHECK_FALSE(held(tickets[2]));
    tickets[1].reset();
    loops.run_until_idle();
    CHECK(held(tickets[2]));
    tickets[2].reset();
    net::spawn(loops.at(0), "turn", hold_turn(turns, &loops.at(0), &tickets[0]));
    loops.run_until_idle();
    CHECK(held(tickets[0]));
}

TEST_CASE("freezes of several domains at the same time are all kept") {
    DeliveryWorld w;
    auto peer = w.site("a.test", "192.0.2.1");
    w.start();
    delivery::Selector first;
    first.domain = "a.test";
    delivery::Selector second;
    second.domain = "b.test";
    const auto one = w.service->order(Order::freeze, first);
    const auto other = w.service->order(Order::freeze, second);
    std::optional<Part> parts[2];
    net::spawn(w.loops.at(0), "one", next_part(&w.loops.at(0), one.get(), &parts[0]));
    net::spawn(w.loops.at(1), "other", next_part(&w.loops.at(1), other.get(), &parts[1]));
    w.loops.run_until_idle();
    REQUIRE((parts[0] && parts[1]));
    CHECK(w.ask(w.service->stats(w.loops.at(0))).frozen_domains == std::vector<std::string>{"a.test", "b.test"});
}
