// One at a time, over all loops: who wants what another has waits without a thread, first come first served.
#pragma once

#include <deque>
#include <memory>

#include "base/guarded.hpp"
#include "delivery/gate.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::delivery {

class Turns {
public:
    // Resumes on `loop`, the caller's, when it has the turn, which lasts as long as the ticket.
    static net::Task<Ticket> take(std::shared_ptr<Turns> turns, net::Loop& loop);

private:
    struct Waiter {
        explicit Waiter(net::Loop& on) : loop(on), event(on) {}
        net::Loop& loop;
        net::Event event;
        bool has_turn = false;  // its loop's
    };
    struct State {
        bool taken = false;
        std::deque<std::weak_ptr<Waiter>> waiting;  // held by who waits
    };
    void pass_on();

    base::Guarded<State> state_;
};

}  // namespace posthorn::delivery
