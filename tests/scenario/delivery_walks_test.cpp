// An operator and a long queue: whatever is asked or ordered, the loops' other work has its turn all the time. Counted
// in turns, not in time: beside each question a task asks every loop for one turn after the other.
#include "delivery/owner.hpp"
#include "tests/scenario/delivery_world.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using delivery::ListQuery;
using delivery::Selector;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kMessages = 10'000;
#else
constexpr std::size_t kMessages = 100'000;
#endif
// A walk of all in pieces of 500: asked for and answered, a turn each.
constexpr std::size_t kWalk = 2 * kMessages / 500;

// Asks a loop for one turn after the other until it is over.
struct Turns {
    std::size_t taken = 0;
    bool over = false;
};

void take_turns(net::Loop& loop, const std::shared_ptr<Turns>& turns) {
    loop.post([&loop, turns] {
        if (turns->over) return;
        ++turns->taken;
        take_turns(loop, turns);
    });
}

template <class T>
net::Task<base::Result<T>> then_end(net::Task<base::Result<T>> task, std::shared_ptr<Turns> turns) {
    base::Result<T> result = co_await std::move(task);
    turns->over = true;
    co_return result;
}

struct LongQueue : DeliveryWorld {
    LongQueue() : DeliveryWorld(1) {  // one loop does all, so that every turn counts
        policy::DomainRule rule;
        rule.pattern = "*";
        rule.messages_per_second = 1e-9;
        rule.burst_size = 1;
        config.routing.rules = {rule};
        peer = site("slow.test", "192.0.2.1");
        for (std::size_t i = 0; i < kMessages + 1; ++i) send("s@mail.test", {"r@slow.test"});
        start();
        loops.run_for(std::chrono::seconds(1));
        REQUIRE(peer->mail().size() == 1);  // the one token there was
        events.events.clear();
        loops.set_max_callbacks(std::size_t{1} << 40);
    }
    // Turns that other work had beside `task`.
    template <class T>
    std::size_t turns_beside(net::Task<base::Result<T>> task, T& into) {
        const auto turns = std::make_shared<Turns>();
        take_turns(loops.at(0), turns);
        into = ask(then_end(std::move(task), turns));
        return turns->taken;
    }
    std::unique_ptr<SmtpPeer> peer;
};

}  // namespace

TEST_CASE("a hundred thousand queued messages are walked in small pieces") {
    LongQueue w;
    auto& loop = w.loops.at(0);

    delivery::Stats stats;
    const auto for_stats = w.turns_beside(w.service->stats(loop), stats);
    CHECK(stats.messages == kMessages);
    CHECK(stats.waiting == kMessages);
    CAPTURE(for_stats);
    CHECK(for_stats >= kWalk);

    ListQuery query;
    query.limit = 3;
    query.sort = ListQuery::Sort::next_try;
    delivery::ListResult list;
    const auto for_list = w.turns_beside(w.service->list(loop, query), list);
    CHECK(list.matched == kMessages);
    CHECK(list.messages.size() == 3);
    CAPTURE(for_list);
    CHECK(for_list >= kWalk);

    Changed changed;
    Selector all;
    const auto for_freeze = w.turns_beside(freeze(*w.service, loop, all), changed);
    CHECK(changed.count() == kMessages);
    CAPTURE(for_freeze);
    CHECK(for_freeze >= 2 * kWalk);
    CHECK(w.ask(w.service->stats(loop)).waiting == 0);

    const auto for_unfreeze = w.turns_beside(unfreeze(*w.service, loop, all), changed);
    CHECK(changed.count() == kMessages);
    CAPTURE(for_unfreeze);
    CHECK(for_unfreeze >= 2 * kWalk);

    const auto for_retry = w.turns_beside(retry(*w.service, loop, all), changed);
    CHECK(changed.count() == kMessages);
    CAPTURE(for_retry);
    CHECK(for_retry >= kWalk + 2 * kMessages / 100);
    MESSAGE(for_stats << " " << for_list << " " << for_freeze << " " << for_unfreeze << " " << for_retry);
}
