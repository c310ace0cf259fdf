#include "net/sim_loop.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <thread>

#include "net/begun.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace std::chrono_literals;

namespace {

Task<> tick(Loop& loop, base::Duration every, int times, std::vector<std::string>* log, std::string name) {
    for (int i = 0; i < times; ++i) {
        co_await sleep_until(loop, loop.now() + every);
        log->push_back(name + std::to_string(i));
    }
}

Task<> offload_one(Loop& loop, Pool& pool, base::SteadyTime* when) {
    std::move_only_function<base::Result<int>()> job = [] { return 7; };
    const auto result = co_await offload(loop, pool, std::move(job));
    CHECK(result.value() == 7);
    *when = loop.now();
}

Task<> yield_forever(Loop& loop) {
    while (true) co_await yield(loop);
}

Task<> wait_forever(Loop& loop, std::shared_ptr<int> held) {
    Event never(loop);
    co_await never.wait();
    ++*held;
}

// What dies with a coroutine may still have something to tell another loop.
struct TellsAtItsEnd {
    Loop& other;
    ~TellsAtItsEnd() {
        other.post([] {});
    }
};

Task<> offload_and_tell(Loop& loop, Pool& pool, Loop& other) {
    const TellsAtItsEnd last{other};
    std::move_only_function<base::Result<int>()> job = [] { return 7; };
    (void)co_await offload(loop, pool, std::move(job));
}

Task<> move_and_check(Loop& first, Loop& second, bool* right) {
    co_await move_to(second);
    *right = second.in_loop() && !first.in_loop();
}

}  // namespace

TEST_CASE("a thousand virtual hours pass at once, in order") {
    SimLoops sim(2);
    std::vector<std::string> log;
    spawn(sim.at(0), "a", tick(sim.at(0), 400h, 2, &log, "a"));
    spawn(sim.at(1), "b", tick(sim.at(1), 300h, 3, &log, "b"));
    const auto wall = sim.clock().wall();
    const auto steady = sim.clock().steady();
    sim.run_for(1000h);
    CHECK(log == std::vector<std::string>{"b0", "a0", "b1", "a1", "b2"});
    CHECK(sim.clock().wall() - wall == 1000h);
    CHECK(sim.clock().steady() - steady == 1000h);
}

TEST_CASE("time stands still while there is work, and a condition stops it") {
    SimLoops sim;
    const auto start = sim.clock().steady();
    bool posted = false;
    sim.at(0).post([&] { sim.at(0).post([&] { posted = true; }); });
    sim.run_until_idle();
    CHECK(posted);
    CHECK(sim.clock().steady() == start);
    bool rung = false;
    sim.at(0).call_after(5s, [&] { rung = true; });
    CHECK_FALSE(sim.run_until([&] { return rung; }, 4s));
    CHECK(sim.clock().steady() - start == 4s);
    CHECK(sim.run_until([&] { return rung; }, 1h));
    CHECK(sim.clock().steady() - start == 5s);
}

TEST_CASE("a simulated pool defers its jobs by its latency") {
    SimLoops sim;
    const auto pool = sim.make_pool("disk", 10, 3ms);
    const auto start = sim.clock().steady();
    base::SteadyTime ended{};
    CHECK(sim.run(offload_one(sim.at(0), *pool, &ended)));
    CHECK(ended - start == 3ms);
}

TEST_CASE("a simulation that never rests says so") {
    SimLoops sim;
    sim.set_max_callbacks(10'000);
    spawn(sim.at(0), "busy", yield_forever(sim.at(0)));
    CHECK_THROWS(sim.run_until_idle());
}

TEST_CASE("the end of a simulation destroys what waits") {
    auto held = std::make_shared<int>(0);
    {
        SimLoops sim;
        spawn(sim.at(0), "waiter", wait_forever(sim.at(0), held));
        sim.run_for(1h);
        CHECK(held.use_count() == 2);
    }
    CHECK(held.use_count() == 1);
    CHECK(*held == 0);
}

// Red as a use after free, under ASan at the latest.
TEST_CASE("a coroutine that a pool's job outlives dies before all loops do") {
    for (const bool other_first : {true, false}) {
        SimLoops sim(2);
        auto pool = sim.make_pool("late", 10, 1h);
        spawn(sim.at(other_first ? 1 : 0), "late",
              offload_and_tell(sim.at(other_first ? 1 : 0), *pool, sim.at(other_first ? 0 : 1)));
        sim.run_for(1s);
        sim.stop();
        pool.reset();  // the job ends here, and its caller's loop is gone
    }
}

TEST_CASE("a coroutine moves between simulated loops") {
    SimLoops sim(2);
    bool right = false;
    CHECK(sim.run(move_and_check(sim.at(0), sim.at(1), &right)));
    CHECK(right);
}

TEST_CASE("real threads may post into a simulation") {
    SimLoops sim;
    bool heard = false;
    std::thread thread([&] { sim.at(0).post([&] { heard = true; }); });
    CHECK(sim.run_until_real([&] { return heard; }));
    thread.join();
}

namespace {

Task<base::Result<int>> seven_in(Loop& loop, base::Duration time) {
    co_await sleep_until(loop, loop.now() + time);
    if (time == 3s) throw std::runtime_error("it broke");
    co_return 7;
}

Task<> wait_for(Loop& loop, base::Duration first, base::Duration task, base::Result<int>* result,
                base::SteadyTime* when) {
    Begun<int> begun(loop, "begun", seven_in(loop, task));
    co_await sleep_until(loop, loop.now() + first);
    auto got = co_await begun.get();
    *result = std::move(got);
    *when = loop.now();
}

}  // namespace

TEST_CASE("what is begun goes on while something else does") {
    SimLoops loops;
    const auto start = loops.at(0).now();
    base::Result<int> result = 0;
    base::SteadyTime when;
    SUBCASE("and is waited for") {
        spawn(loops.at(0), "test", wait_for(loops.at(0), 1s, 2s, &result, &when));
        loops.run_for(5s);
        CHECK(result == 7);
        CHECK(when - start == 2s);
    }
    SUBCASE("or is there already") {
        spawn(loops.at(0), "test", wait_for(loops.at(0), 2s, 1s, &result, &when));
        loops.run_for(5s);
        CHECK(result == 7);
        CHECK(when - start == 2s);
    }
    SUBCASE("or has broken") {
        spawn(loops.at(0), "test", wait_for(loops.at(0), 1s, 3s, &result, &when));
        loops.run_for(5s);
        REQUIRE(!result);
        CHECK(result.error().kind == base::ErrorKind::internal);
        CHECK(when - start == 3s);
    }
}
