#include "delivery/gate.hpp"

#include <atomic>
#include <stdexcept>

namespace posthorn::delivery {

// Who waits is told by a post, and only then: most outcomes are durable before the next message ends.
struct Gate::State {
    enum Stage : std::uint8_t { closed, awaited, over };

    State(net::Loop& l, std::weak_ptr<net::Event> e) : loop(l), event(std::move(e)) {}
    // Any thread. The loop lives as long as somebody waits on it.
    void end() {
        if (stage.exchange(over) != awaited) return;
        loop.post([weak = event] {
            if (const auto told = weak.lock()) told->notify_all();
        });
    }
    bool move(Stage from, Stage to) { return stage.compare_exchange_strong(from, to); }

    net::Loop& loop;
    std::weak_ptr<net::Event> event;
    std::atomic<Stage> stage{closed};
};

Gate::Gate(net::Loop& loop) : loop_(loop), event_(std::make_shared<net::Event>(loop)) {}

Gate::~Gate() {
    if (last_) last_->move(State::awaited, State::closed);
}

Ticket Gate::shut() {
    if (!open()) throw std::logic_error("gate: shut twice");
    last_ = std::make_shared<State>(loop_, event_);
    return {nullptr, [state = last_](void*) { state->end(); }};
}

bool Gate::open() const { return !last_ || last_->stage.load() == State::over; }

net::Task<bool> Gate::pass(std::optional<base::SteadyTime> until) {
    const auto state = last_;
    if (open()) co_return true;
    state->move(State::closed, State::awaited);
    while (!open() && !interrupted_ && (!until || loop_.now() < *until)) co_await event_->wait(until);
    state->move(State::awaited, State::closed);
    co_return open();
}

void Gate::interrupt() {
    interrupted_ = true;
    event_->notify_all();
}

}  // namespace posthorn::delivery
