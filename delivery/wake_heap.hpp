// The messages of a shard by the time each is looked at next (Message::wake). Each stands in it once at most and
// knows its place, so that a change of mind leaves nothing behind: 8 octets a message, however often it was planned.
#pragma once

#include <vector>

#include "delivery/message.hpp"

namespace posthorn::delivery {

class WakeHeap {
public:
    bool empty() const { return heap_.empty(); }
    Message& first() const { return *heap_.front(); }
    // Enters it, or moves it; not at the zero time.
    void set(Message& m, base::WallTime at);
    // Nothing happens when it does not stand there.
    void remove(Message& m);

private:
    void put(std::size_t place, Message& m);
    void up(std::size_t place);
    void down(std::size_t place);

    std::vector<Message*> heap_;
};

}  // namespace posthorn::delivery
