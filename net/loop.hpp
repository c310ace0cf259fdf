// An event loop: one thread, on which sessions, destinations and subscriptions live and die without locks.
// A port: the real one stands on Asio (net/impl/), the simulated one (net/sim_loop.hpp) runs under a virtual
// clock, so that whole services can be tested without waiting. No Asio timer outside net/impl/.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "net/task.hpp"

namespace posthorn::net {

using Callback = std::move_only_function<void()>;

// 0 is no timer. Ids are never reused within a loop.
using TimerId = std::uint64_t;

class Loop {
public:
    virtual ~Loop() = default;

    virtual const base::Clock& clock() const = 0;
    base::SteadyTime now() const { return clock().steady(); }

    // Runs `fn` on this loop, later. Any thread. What is posted after stop() is kept, unrun, until the loop dies.
    virtual void post(Callback fn) = 0;

    // Own thread only. The callback holds what it needs; a cancelled one never runs (a generation check guards
    // against handlers that were queued already).
    virtual TimerId call_at(base::SteadyTime when, Callback fn) = 0;
    virtual void cancel(TimerId id) = 0;
    TimerId call_after(base::Duration delay, Callback fn) { return call_at(now() + delay, std::move(fn)); }

    virtual bool in_loop() const = 0;
    virtual std::size_t index() const = 0;                // 0 .. loops-1
    virtual boost::asio::any_io_executor executor() = 0;  // for net/ alone

    // Sockets that live here, which the acceptor goes by. Any thread.
    std::size_t load() const { return load_.load(std::memory_order_relaxed); }
    void add_load(int n) { load_.fetch_add(static_cast<std::size_t>(n), std::memory_order_relaxed); }

private:
    std::atomic<std::size_t> load_{0};
};

// The only caller of co_spawn. Starts `task` on `loop` (any thread); an exception that escapes is logged under
// `name` and ends that task only.
void spawn(Loop& loop, std::string name, Task<> task);
// The same, and tells when it ended (on `loop`), however it ended.
void spawn(Loop& loop, std::string name, Task<> task, Callback done);

Task<> sleep_until(Loop& loop, base::SteadyTime when);
// Lets other work of this loop run first.
Task<> yield(Loop& loop);
// Continues on another loop's thread: for handing a coroutine over, not for calls.
Task<> move_to(Loop& loop);

// A condition coroutines of ONE loop wait for. notify_*: own thread only; wakes by post, never inline.
// Destroying it wakes all waiters with `false`.
class Event {
public:
    explicit Event(Loop& loop);
    ~Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    // True: notified. False: the deadline passed or the Event is gone.
    Task<bool> wait(std::optional<base::SteadyTime> deadline = std::nullopt);
    void notify_one();
    void notify_all();
    std::size_t waiting() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

// The threads of the server: one loop each. Made stopped; started once by the composition root.
class LoopGroup {
public:
    virtual ~LoopGroup() = default;  // stops
    virtual std::size_t size() const = 0;
    virtual Loop& at(std::size_t index) = 0;
    virtual void start() = 0;
    virtual void stop() = 0;  // from outside: running callbacks end; joins; destroys unrun all that waits
    Loop& for_hash(std::size_t hash) { return at(hash % size()); }
};

// `threads` 0: one per core.
std::unique_ptr<LoopGroup> make_loops(std::size_t threads);

}  // namespace posthorn::net
