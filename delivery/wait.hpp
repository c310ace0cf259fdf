// Waiting, on one loop, until all copies of a ticket are gone; the last may go on any thread while the loop lives.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "delivery/gate.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::delivery {

// The ticket of an order: kept until what was ordered is durable, or is not going to be.
struct OrderFate {
    std::atomic<bool> given_up{false};  // some of it was not made durable: nobody may be told that it was
};
using OrderTicket = std::shared_ptr<OrderFate>;

class Wait {
public:
    explicit Wait(net::Loop& loop) : over_(std::make_shared<Over>(loop)) {
        ticket_ = OrderTicket(&over_->fate, [&loop, over = over_](OrderFate*) {
            loop.post([over] {
                over->flag = true;
                over->event.notify_all();
            });
        });
    }
    const OrderTicket& ticket() const { return ticket_; }
    bool given_up() const { return over_->fate.given_up; }
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
        OrderFate fate;
    };
    std::shared_ptr<Over> over_;
    OrderTicket ticket_;
};

}  // namespace posthorn::delivery
