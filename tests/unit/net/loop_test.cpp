// The real loops, their coroutines and pools: threads and the system's clock, waits of a few milliseconds.
#include "net/loop.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/log.hpp"
#include "net/pool.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace std::chrono_literals;

namespace {

// Waits for a task on a real loop.
void run_to_end(Loop& loop, Task<> task) {
    std::promise<void> ended;
    spawn(loop, "test", std::move(task), [&ended] { ended.set_value(); });
    ended.get_future().get();
}

Task<> add_after(Loop& loop, base::Duration delay, std::vector<int>* into, int value) {
    co_await sleep_until(loop, loop.now() + delay);
    into->push_back(value);
}

Task<> wait_for(std::shared_ptr<Event> event, std::optional<base::SteadyTime> deadline, std::vector<bool>* into) {
    const bool notified = co_await event->wait(deadline);
    into->push_back(notified);
}

Task<> throw_up() {
    throw std::runtime_error("no good");
    co_return;
}

Task<> visit(Loop& first, Loop& second, std::vector<bool>* seen) {
    seen->push_back(first.in_loop() && !second.in_loop());
    co_await move_to(second);
    seen->push_back(second.in_loop() && !first.in_loop());
    co_await yield(second);
    seen->push_back(second.in_loop());
    co_await sleep_until(second, second.now() + 1ms);
    seen->push_back(second.in_loop());
    co_await move_to(first);
    seen->push_back(first.in_loop());
}

Task<> offload_once(Loop& loop, Pool& pool, std::atomic<int>* sum, std::atomic<int>* refused) {
    std::move_only_function<base::Result<int>()> job = [] { return 1; };
    const auto result = co_await offload(loop, pool, std::move(job));
    CHECK(loop.in_loop());
    if (result)
        *sum += *result;
    else
        ++*refused;
}

struct Sentinel {
    explicit Sentinel(int* count) : count_(count) {}
    ~Sentinel() { ++*count_; }
    int* count_;
};

Task<> wait_on_own_event(Loop& loop, int* destroyed) {
    Event event(loop);
    const Sentinel sentinel(destroyed);
    co_await event.wait();
}

Task<> sleep_long(Loop& loop, int* destroyed) {
    const Sentinel sentinel(destroyed);
    co_await sleep_until(loop, loop.now() + 1h);
}

Task<> wait_for_gate(Loop& loop, Pool& pool, std::shared_future<void> gate, int* destroyed) {
    const Sentinel sentinel(destroyed);
    std::move_only_function<base::Result<int>()> job = [gate] {
        gate.wait();
        return 1;
    };
    co_await offload(loop, pool, std::move(job));
    FAIL("resumed after stop");
}

}  // namespace

TEST_CASE("timers run in the order of their time, and a cancelled one never") {
    const auto loops = make_loops(1);
    Loop& loop = loops->at(0);
    std::vector<int> order;
    std::promise<void> done;
    loop.post([&] {
        const auto now = loop.now();
        loop.call_at(now + 3ms, [&] { order.push_back(3); });
        const auto never = loop.call_at(now + 2ms, [&] { order.push_back(99); });
        loop.call_at(now + 1ms, [&] { order.push_back(1); });
        loop.call_at(now + 1ms, [&, never] {
            order.push_back(2);
            loop.cancel(never);
        });
        loop.call_at(now + 5ms, [&] { done.set_value(); });
    });
    loops->start();
    done.get_future().get();
    CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("a timer may cancel one that is due in the same round") {
    const auto loops = make_loops(1);
    Loop& loop = loops->at(0);
    std::promise<bool> done;
    loop.post([&] {
        const auto when = loop.now();
        auto second = std::make_shared<TimerId>(0);
        auto ran = std::make_shared<bool>(false);
        loop.call_at(when, [&loop, second] { loop.cancel(*second); });
        *second = loop.call_at(when, [ran] { *ran = true; });
        loop.call_at(when, [&done, ran] { done.set_value(*ran); });
    });
    loops->start();
    CHECK_FALSE(done.get_future().get());
}

TEST_CASE("posts from many threads all arrive, on the loop") {
    const auto loops = make_loops(2);
    loops->start();
    std::atomic<int> count{0};
    std::atomic<int> elsewhere{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (std::size_t i = 0; i < 500; ++i) {
                Loop& loop = loops->at(i % 2);
                loop.post([&] {
                    if (!loop.in_loop()) ++elsewhere;
                    if (++count == 2000) count.notify_all();
                });
            }
        });
    }
    for (auto& thread : threads) thread.join();
    for (int seen = count; seen < 2000; seen = count) count.wait(seen);
    CHECK(elsewhere == 0);
}

TEST_CASE("an exception that escapes a task is logged under its name and ends that task only") {
    const auto loops = make_loops(1);
    loops->start();
    const base::log::Capture capture;
    run_to_end(loops->at(0), throw_up());
    CHECK(capture.contains("task.exception"));
    CHECK(capture.contains("no good"));
    run_to_end(loops->at(0), yield(loops->at(0)));
}

TEST_CASE("an event wakes one, all, or nobody in time") {
    const auto loops = make_loops(1);
    Loop& loop = loops->at(0);
    std::vector<bool> woken;
    auto event = std::make_shared<Event>(loop);
    for (int i = 0; i < 3; ++i) spawn(loop, "waiter", wait_for(event, std::nullopt, &woken));
    spawn(loop, "late", wait_for(event, loop.now() - 1s, &woken));
    std::promise<void> done;
    spawn(loop, "pause", sleep_until(loop, loop.now() + 2ms), [&] {
        CHECK(woken == std::vector{false});  // the late one
        CHECK(event->waiting() == 3);
        event->notify_one();
        CHECK(event->waiting() == 2);
        CHECK(woken.size() == 1);  // never inline
        loop.post([&] {
            CHECK(woken.size() == 2);
            event->notify_all();
            loop.post([&] {
                CHECK(woken == std::vector{false, true, true, true});
                done.set_value();
            });
        });
    });
    loops->start();
    done.get_future().get();
}

TEST_CASE("an event that dies wakes its waiters with false") {
    const auto loops = make_loops(1);
    Loop& loop = loops->at(0);
    auto event = std::make_unique<Event>(loop);
    std::vector<bool> woken;
    std::promise<void> done;
    // The Task is made by the Event and outlives it.
    auto waiting = [](Task<bool> wait, std::vector<bool>* into) -> Task<> {
        const bool notified = co_await std::move(wait);
        into->push_back(notified);
    };
    spawn(loop, "a", waiting(event->wait(), &woken));
    spawn(loop, "b", waiting(event->wait(loop.now() + 1h), &woken));
    loop.post([&] {
        CHECK(event->waiting() == 2);
        event.reset();
        loop.post([&] { done.set_value(); });
    });
    loops->start();
    done.get_future().get();
    CHECK(woken == std::vector{false, false});
}

TEST_CASE("loops that end destroy the coroutines that wait, also one that waits for its own event") {
    int destroyed = 0;
    {
        const auto loops = make_loops(2);
        spawn(loops->at(0), "event", wait_on_own_event(loops->at(0), &destroyed));
        spawn(loops->at(1), "sleep", sleep_long(loops->at(1), &destroyed));
        loops->start();
        run_to_end(loops->at(0), yield(loops->at(0)));
        run_to_end(loops->at(1), yield(loops->at(1)));
        CHECK(destroyed == 0);
        loops->stop();
        CHECK(destroyed == 2);
        spawn(loops->at(0), "too late", sleep_long(loops->at(0), &destroyed));
        loops->at(1).post([] { FAIL("runs after stop"); });
    }
    CHECK(destroyed == 2);
}

TEST_CASE("threads may post to loops that stop, and a pool's job may end after them") {
    int destroyed = 0;
    const auto loops = make_loops(2);
    auto pool = make_pool("late", 1, 10);
    std::promise<void> gate;
    auto open = gate.get_future().share();
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
            while (!done) loops->at(0).post([held = std::make_shared<int>(1)] {});
        });
    }
    spawn(loops->at(0), "job", wait_for_gate(loops->at(0), *pool, open, &destroyed));
    loops->start();
    while (pool->queued() > 0) std::this_thread::yield();
    run_to_end(loops->at(0), yield(loops->at(0)));
    loops->stop();
    gate.set_value();
    pool.reset();
    done = true;
    for (auto& thread : threads) thread.join();
}

TEST_CASE("a coroutine that moves goes on where it moved to") {
    const auto loops = make_loops(2);
    loops->start();
    std::vector<bool> seen;
    run_to_end(loops->at(0), visit(loops->at(0), loops->at(1), &seen));
    CHECK(seen == std::vector(5, true));
}

TEST_CASE("sleepers wake in order") {
    const auto loops = make_loops(1);
    std::vector<int> order;
    spawn(loops->at(0), "b", add_after(loops->at(0), 4ms, &order, 2));
    spawn(loops->at(0), "a", add_after(loops->at(0), 1ms, &order, 1));
    loops->start();
    run_to_end(loops->at(0), add_after(loops->at(0), 8ms, &order, 3));
    CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("a pool runs jobs off the loop and resumes on it") {
    const auto loops = make_loops(2);
    const auto pool = make_pool("disk", 2, 10'000);
    loops->start();
    std::atomic<int> sum{0};
    std::atomic<int> refused{0};
    std::atomic<int> ended{0};
    for (std::size_t i = 0; i < 400; ++i) {
        Loop& loop = loops->at(i % 2);
        spawn(loop, "offload", offload_once(loop, *pool, &sum, &refused), [&] {
            ++ended;
            ended.notify_all();
        });
    }
    for (int seen = ended; seen < 400; seen = ended) ended.wait(seen);
    CHECK(sum == 400);
    CHECK(refused == 0);
}

TEST_CASE("a full pool refuses, and the caller hears a temporary error") {
    const auto loops = make_loops(1);
    const auto pool = make_pool("cpu", 1, 1);
    loops->start();
    std::promise<void> gate;
    std::promise<void> running;
    auto open = gate.get_future().share();
    REQUIRE(pool->submit([&running, open] {
        running.set_value();
        open.wait();
    }));
    running.get_future().get();
    REQUIRE(pool->submit([open] { open.wait(); }));
    CHECK(pool->queued() == 1);
    CHECK_FALSE(pool->submit([] {}));
    std::atomic<int> sum{0};
    std::atomic<int> refused{0};
    run_to_end(loops->at(0), offload_once(loops->at(0), *pool, &sum, &refused));
    CHECK(refused == 1);
    gate.set_value();
}
