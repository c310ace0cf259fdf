// The free space of the spool's filesystem as last looked at, less what big bodies have written since: without the
// second, fast senders would run far below the reserve between two looks. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

namespace posthorn::spool {

class Room {
public:
    explicit Room(std::uint64_t reserve) : reserve_(static_cast<std::int64_t>(reserve)) {}

    void seen(std::uint64_t free) {
        constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        free_ = static_cast<std::int64_t>(free < kMost ? free : kMost);
    }
    // False: with these octets less than the reserve would be left; then they are not counted.
    bool take(std::uint64_t octets) {
        const auto n = static_cast<std::int64_t>(octets);
        if (free_.fetch_sub(n, std::memory_order_relaxed) - n >= reserve_) return true;
        free_.fetch_add(n, std::memory_order_relaxed);
        return false;
    }
    bool holds(std::uint64_t octets) const {
        const auto left = free() - reserve_;
        return left >= 0 && static_cast<std::uint64_t>(left) >= octets;
    }
    std::int64_t free() const { return free_.load(std::memory_order_relaxed); }

private:
    const std::int64_t reserve_;
    std::atomic<std::int64_t> free_{std::numeric_limits<std::int64_t>::max()};
};

}  // namespace posthorn::spool
