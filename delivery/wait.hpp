// Waiting, on one loop, until all copies of a ticket are gone; the last may go on any thread while the loop lives.
#pragma once

#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "delivery/gate.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::delivery {

class Wait {
public:
    explicit Wait(net::Loop& loop) : over_(std::make_shared<Over>(loop)) {
        ticket_ = std::shared_ptr<void>(nullptr, [&loop, over = over_](void*) {
            loop.post([over] {
                over->flag = true;
                over->event.notify_all();
            });
        });
    }
    const Ticket& ticket() const { return ticket_; }
    // False: not yet. Without a limit: when they are.
    net::Task<bool> all_gone(std::optional<base::SteadyTime> until = std::nullopt) {
        const std::shared_ptr<Over> over = over_;
        ticket_.reset();
        while (!over->flag) {
            const bool notified = co_await over->event.wait(until);
            if (!notified) break;
        }
        co_return over->flag;
    }

private:
    struct Over {
        explicit Over(net::Loop& loop) : event(loop) {}
        bool flag = false;
        net::Event event;
    };
    std::shared_ptr<Over> over_;
    Ticket ticket_;
};

}  // namespace posthorn::delivery
