// Data that cannot be touched without its lock. For small maps shared between threads; never held across
// co_await: with() takes a plain function.
#pragma once

#include <mutex>
#include <utility>

namespace posthorn::base {

template <class T>
class Guarded {
public:
    Guarded() = default;
    explicit Guarded(T value) : value_(std::move(value)) {}

    template <class F>
    decltype(auto) with(F&& fn) {
        const std::lock_guard lock(mutex_);
        return std::forward<F>(fn)(value_);
    }
    template <class F>
    decltype(auto) with(F&& fn) const {
        const std::lock_guard lock(mutex_);
        return std::forward<F>(fn)(value_);
    }

private:
    mutable std::mutex mutex_;
    T value_{};
};

}  // namespace posthorn::base
