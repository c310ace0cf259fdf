// Bounded pools of threads for what may block: disk, and CPU that would hold up a loop.
#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "base/result.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::net {

class Pool {
public:
    virtual ~Pool() = default;  // runs what is queued, then joins
    // False: the queue is full, `job` was not taken. Any thread. Jobs must not throw.
    virtual bool submit(std::move_only_function<void()> job) = 0;
    virtual std::size_t queued() const = 0;
    virtual const std::string& name() const = 0;
};

std::unique_ptr<Pool> make_pool(std::string name, std::size_t threads, std::size_t queue_limit);

namespace detail {
// Suspends the caller (on `loop`), runs `job` on `pool`, resumes on `loop`. False: refused, not run.
Task<bool> run_on(Loop& loop, Pool& pool, std::move_only_function<void()> job);
}  // namespace detail

// co_await offload(loop, pool, fn): runs fn on the pool, gives its Result. A full queue is a temporary error.
// fn returns base::Result<T>; it must not throw and owns what it touches: the caller may be gone only after it.
template <std::invocable F>
Task<std::invoke_result_t<F>> offload(Loop& loop, Pool& pool, F fn) {
    using R = std::invoke_result_t<F>;
    auto answer = std::make_shared<std::optional<R>>();
    auto job = std::make_shared<F>(std::move(fn));
    std::move_only_function<void()> call = [answer, job] { answer->emplace((*job)()); };
    const bool ran = co_await detail::run_on(loop, pool, std::move(call));
    if (!ran) {
        co_return R(base::fail(base::ErrorKind::temporary, "pool " + pool.name() + " is full", "4.3.2",
                               "System is busy, try again later"));
    }
    co_return std::move(**answer);
}

}  // namespace posthorn::net
