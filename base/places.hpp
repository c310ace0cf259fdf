// Places of which there are only so many, taken on several threads.
#pragma once

#include <atomic>
#include <cstddef>

namespace posthorn::base {

// False: `limit` are taken. Never more than that are, however many threads ask at once; given back with fetch_sub.
inline bool take_place(std::atomic<std::size_t>& taken, std::size_t limit) {
    std::size_t now = taken.load();
    while (now < limit) {
        if (taken.compare_exchange_weak(now, now + 1)) return true;
    }
    return false;
}

}  // namespace posthorn::base
