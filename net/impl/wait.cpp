// Coroutines on a loop: starting them, and the ways in which they wait that know no socket.
#include <boost/asio/co_spawn.hpp>
#include <list>

#include "base/log.hpp"
#include "net/impl/suspend.hpp"
#include "net/impl/timers.hpp"
#include "net/loop.hpp"

namespace posthorn::net {
namespace {

void log_escaped(const std::string& name, const std::exception_ptr& escaped) {
    try {
        std::rethrow_exception(escaped);
    } catch (const std::exception& e) {
        base::log::error("task.exception", {{"task", name}, {"msg", e.what()}});
    } catch (...) {
        base::log::error("task.exception", {{"task", name}, {"msg", "not a std::exception"}});
    }
}

}  // namespace

void spawn(Loop& loop, std::string name, Task<> task) { spawn(loop, std::move(name), std::move(task), {}); }

void spawn(Loop& loop, std::string name, Task<> task, Callback done) {
    boost::asio::co_spawn(
        loop.executor(), std::move(task),
        [name = std::move(name), done = std::move(done)](const std::exception_ptr& escaped) mutable {
            if (escaped) log_escaped(name, escaped);
            if (done) done();
        });
}

Task<> sleep_until(Loop& loop, base::SteadyTime when) {
    auto op = impl::suspend<bool>([&loop, when](auto resume) {
        loop.call_at(when, [resume = std::move(resume)]() mutable { resume(true); });
    });
    co_await std::move(op);
}

Task<> yield(Loop& loop) {
    auto op = impl::suspend<bool>(
        [&loop](auto resume) { loop.post([resume = std::move(resume)]() mutable { resume(true); }); });
    co_await std::move(op);
}

// Every wait in net/ resumes where its loop called it, whatever executor the coroutine was spawned on: so to go
// on there is to have moved.
Task<> move_to(Loop& loop) {
    if (loop.in_loop()) co_return;
    co_await yield(loop);
}

// The loop owns those who wait (through a timer, be it one that is never due), the Event knows them by weak
// pointers: an Event may live in the very frame that waits for it, and no circle keeps it alive.
struct Event::State {
    struct Waiter {
        std::move_only_function<void(bool)> resume;
        TimerId timer = 0;
    };

    explicit State(Loop& on) : loop(on) {}

    void wake(const std::weak_ptr<Waiter>& weak, bool notified) {
        auto waiter = weak.lock();
        if (!waiter) return;
        loop.cancel(waiter->timer);
        loop.post([waiter = std::move(waiter), notified] { waiter->resume(notified); });
    }

    Loop& loop;
    std::list<std::weak_ptr<Waiter>> waiters;  // first come, first woken
    bool gone = false;
};

namespace {

// `State` is private to Event; the template lets this stand outside, so that the frame holds the state and
// never the Event.
template <class State>
Task<bool> wait_on(std::shared_ptr<State> state, base::SteadyTime deadline) {
    if (state->gone) co_return false;
    auto op = impl::suspend<bool>([&state, deadline](auto resume) {
        auto waiter = std::make_shared<typename State::Waiter>();
        waiter->resume = std::move(resume);
        const auto place = state->waiters.insert(state->waiters.end(), waiter);
        auto* timer = &waiter->timer;
        *timer = state->loop.call_at(deadline, [state, place, waiter] {
            state->waiters.erase(place);
            waiter->resume(false);
        });
    });
    const bool notified = co_await std::move(op);
    co_return notified;
}

}  // namespace

Event::Event(Loop& loop) : state_(std::make_shared<State>(loop)) {}

Event::~Event() {
    state_->gone = true;
    const auto waiters = std::exchange(state_->waiters, {});
    for (const auto& waiter : waiters) state_->wake(waiter, false);
}

Task<bool> Event::wait(std::optional<base::SteadyTime> deadline) {
    return wait_on(state_, deadline.value_or(impl::kNever));
}

void Event::notify_one() {
    while (!state_->waiters.empty()) {
        const auto waiter = std::move(state_->waiters.front());
        state_->waiters.pop_front();
        if (waiter.expired()) continue;
        state_->wake(waiter, true);
        return;
    }
}

void Event::notify_all() {
    const auto waiters = std::exchange(state_->waiters, {});
    for (const auto& waiter : waiters) state_->wake(waiter, true);
}

std::size_t Event::waiting() const { return state_->waiters.size(); }

}  // namespace posthorn::net
