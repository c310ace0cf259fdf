// Time as the server sees it. Nothing reads a system clock but SystemClock: tests and simulations bring their own.
#pragma once

#include <chrono>
#include <cstdint>

namespace posthorn::base {

using Duration = std::chrono::nanoseconds;

// Monotonic; only differences mean something. For deadlines, buckets and backoff within one run.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// UTC, milliseconds since 1970. For what is written down: arrival times, next tries, log lines.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

class Clock {
public:
    virtual ~Clock() = default;
    virtual SteadyTime steady() const = 0;  // any thread
    virtual WallTime wall() const = 0;      // any thread
};

class SystemClock final : public Clock {
public:
    SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
    WallTime wall() const override {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    }
};

inline std::int64_t to_ms(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime from_ms(std::int64_t ms) { return WallTime{std::chrono::milliseconds{ms}}; }

}  // namespace posthorn::base
