#include "delivery/delivery_mark.hpp"

#include <algorithm>

#include "store/store.hpp"

namespace posthorn::delivery {

DeliveryMark::DeliveryMark(std::shared_ptr<Shared> shared, std::function<std::shared_ptr<void>()> keep)
    : shared_(std::move(shared)), loop_(shared_->deps.loops.at(0)), keep_(std::move(keep)) {}

void DeliveryMark::start() { arm(); }

void DeliveryMark::stop() {
    stopped_ = true;
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
}

void DeliveryMark::arm() {
    if (stopped_) return;
    timer_ = loop_.call_after(kInterval, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->timer_ = 0;
        if (auto keep = self->keep_()) net::spawn(self->loop_, "delivery.mark", walk(self, std::move(keep)));
    });
}

net::Task<> DeliveryMark::walk(std::shared_ptr<DeliveryMark> self, std::shared_ptr<void> keep) {
    const spool::Queue& queue = self->shared_->deps.queue;
    base::WallTime oldest =
        self->loop_.clock().wall() - std::chrono::duration_cast<std::chrono::milliseconds>(kMargin);
    for (std::uint64_t from = 0; from != spool::Queue::kWalked;) {
        if (self->stopped_) co_return;
        const auto walked = queue.walk(from, kPlaces);
        from = walked.next;
        for (const base::Ulid& id : walked.ids) oldest = std::min(oldest, id.time());
        co_await net::yield(self->loop_);
    }
    const base::WallTime mark = std::min(oldest, std::exchange(self->before_, oldest));
    if (mark > base::WallTime::min()) self->shared_->deps.store->forget_deliveries(mark);
    self->arm();
    keep.reset();
}

}  // namespace posthorn::delivery
