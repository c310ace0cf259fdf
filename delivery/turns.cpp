#include "delivery/turns.hpp"

namespace posthorn::delivery {

net::Task<Ticket> Turns::take(std::shared_ptr<Turns> turns, net::Loop& loop) {
    const auto waiter = std::make_shared<Waiter>(loop);
    const bool free = turns->state_.with([&](State& state) {
        if (state.taken) state.waiting.push_back(waiter);
        return !std::exchange(state.taken, true);
    });
    while (!free && !waiter->has_turn) co_await waiter->event.wait();
    co_return Ticket(nullptr, [turns](void*) { turns->pass_on(); });
}

void Turns::pass_on() {
    const auto next = state_.with([](State& state) {
        std::shared_ptr<Waiter> first;
        while (!first && !state.waiting.empty()) {
            first = state.waiting.front().lock();
            state.waiting.pop_front();
        }
        state.taken = first != nullptr;
        return first;
    });
    if (!next) return;
    next->loop.post([next] {
        next->has_turn = true;
        next->event.notify_all();
    });
}

}  // namespace posthorn::delivery
