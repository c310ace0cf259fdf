// The timers of one loop: a heap of due times beside the callbacks. A cancelled timer leaves its callback at
// once, its heap entry later. Own thread only.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "net/loop.hpp"

namespace posthorn::net::impl {

// Never due, but the loop owns what waits: at the loop's end the callback is destroyed, and with it the
// coroutine it would have resumed.
inline constexpr base::SteadyTime kNever = base::SteadyTime::max();

class Timers {
public:
    TimerId add(base::SteadyTime when, Callback fn);
    void cancel(TimerId id);

    // kNever when nothing is due ever.
    base::SteadyTime next();
    // Of the one that is due next; the largest id when there is none.
    TimerId next_id();
    // The earliest callback due at `now`, taken out. Equal times run in the order they were added.
    std::optional<Callback> take_due(base::SteadyTime now);

    // Destroys all callbacks unrun, also those that doing so adds.
    void clear();
    std::size_t size() const { return callbacks_.size(); }
    TimerId last_id() const { return last_; }

private:
    struct Entry {
        base::SteadyTime when;
        TimerId id;
        // Greater is later, so that std::push_heap keeps the earliest in front.
        bool operator<(const Entry& other) const { return when != other.when ? when > other.when : id > other.id; }
    };
    void drop_cancelled();

    std::vector<Entry> heap_;
    std::unordered_map<TimerId, Callback> callbacks_;
    TimerId last_ = 0;
    std::size_t cancelled_ = 0;  // entries of heap_ without a callback
};

}  // namespace posthorn::net::impl
