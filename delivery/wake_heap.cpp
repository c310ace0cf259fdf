#include "delivery/wake_heap.hpp"

namespace posthorn::delivery {

void WakeHeap::set(Message& m, base::WallTime at) {
    if (m.wake == base::WallTime{}) {
        heap_.push_back(nullptr);
        put(heap_.size() - 1, m);
    }
    m.wake = at;
    up(m.heap_place);
    down(m.heap_place);
}

void WakeHeap::remove(Message& m) {
    if (m.wake == base::WallTime{}) return;
    m.wake = {};
    const std::size_t place = m.heap_place;
    Message& last = *heap_.back();
    heap_.pop_back();
    if (&last == &m) return;
    put(place, last);
    up(place);
    down(last.heap_place);
}

void WakeHeap::put(std::size_t place, Message& m) {
    heap_[place] = &m;
    m.heap_place = static_cast<std::uint32_t>(place);
}

void WakeHeap::up(std::size_t place) {
    Message& m = *heap_[place];
    while (place > 0 && m.wake < heap_[(place - 1) / 2]->wake) {
        put(place, *heap_[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(place, m);
}

void WakeHeap::down(std::size_t place) {
    Message& m = *heap_[place];
    for (std::size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
        if (child + 1 < heap_.size() && heap_[child + 1]->wake < heap_[child]->wake) ++child;
        if (m.wake <= heap_[child]->wake) break;
        put(place, *heap_[child]);
        place = child;
    }
    put(place, m);
}

}  // namespace posthorn::delivery
