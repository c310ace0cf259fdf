// Tells the store which deliveries it need not remember: those of messages older than all that is queued (what a message
// gives birth to has its parent's time), and older than a day, for those still on their way in. A walk of the queue may
// miss a message that moves just then; so the elder of two walks counts.
//
// Lives on the first loop.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "delivery/shared.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::delivery {

class DeliveryMark : public std::enable_shared_from_this<DeliveryMark> {
public:
    static constexpr base::Duration kInterval = std::chrono::hours(1);
    static constexpr base::Duration kMargin = std::chrono::hours(24);
    static constexpr std::size_t kPlaces = 4096;  // of the queue, in one turn

    // `keep` holds the service; it is asked when a walk begins, and null when that is gone.
    DeliveryMark(std::shared_ptr<Shared> shared, std::function<std::shared_ptr<void>()> keep);

    void start();
    void stop();  // a walk under way ends at its next step

private:
    void arm();
    static net::Task<> walk(std::shared_ptr<DeliveryMark> self, std::shared_ptr<void> keep);

    std::shared_ptr<Shared> shared_;
    net::Loop& loop_;
    std::function<std::shared_ptr<void>()> keep_;
    base::WallTime before_ = base::WallTime::min();  // what the last walk said
    net::TimerId timer_ = 0;
    bool stopped_ = false;
};

}  // namespace posthorn::delivery
