// Names the message in hand while it lives, for the crash count of the spool. There is one slot a loop, and coroutines
// take turns on it: so it never lives across a co_await, and one does not stand within another.
#pragma once

#include "net/loop.hpp"
#include "spool/queue.hpp"

namespace posthorn::delivery {

class InHand {
public:
    InHand(spool::Queue& queue, const net::Loop& loop, const base::Ulid& id) : queue_(queue), index_(loop.index()) {
        queue_.set_in_hand(index_, id);
    }
    ~InHand() { queue_.set_in_hand(index_, std::nullopt); }
    InHand(const InHand&) = delete;
    InHand& operator=(const InHand&) = delete;

private:
    spool::Queue& queue_;
    std::size_t index_;
};

}  // namespace posthorn::delivery
