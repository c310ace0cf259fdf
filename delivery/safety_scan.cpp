#include "delivery/safety_scan.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "delivery/ask.hpp"

namespace posthorn::delivery {

SafetyScan::SafetyScan(std::shared_ptr<Shared> shared, std::vector<Owner*> owners,
                       std::function<std::shared_ptr<void>()> keep)
    : shared_(std::move(shared)),
      loops_(shared_->deps.loops),
      loop_(loops_.at(0)),
      owners_(std::move(owners)),
      keep_(std::move(keep)),
      adopted_(shared_->deps.metrics.counter("posthorn_delivery_adopted_total",
                                             "Messages that the periodic scan found forgotten")) {}

void SafetyScan::change(base::Duration interval) {
    if (stopped_ || interval == interval_) return;
    interval_ = interval;
    if (!running_ && candidates_.empty()) arm(interval_);
}

void SafetyScan::stop() {
    stopped_ = true;
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
}

void SafetyScan::arm(base::Duration delay) {
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
    if (stopped_ || interval_ <= base::Duration{}) return;
    timer_ = loop_.call_after(delay, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->begin();
    });
}

void SafetyScan::begin() {
    timer_ = 0;
    auto keep = keep_();
    if (!keep) return;
    running_ = true;
    net::spawn(loop_, "delivery.scan", run(shared_from_this(), std::move(keep)));
}

net::Task<> SafetyScan::run(std::shared_ptr<SafetyScan> self, std::shared_ptr<void> keep) {
    const Active active(self->shared_);
    co_await self->look_again();
    const bool differs = co_await self->differs();
    if (differs) co_await self->look();
    self->running_ = false;
    self->arm(self->candidates_.empty() ? self->interval_ : kSecondLook);
    keep.reset();
}

// Those that are still unknown were forgotten.
net::Task<> SafetyScan::look_again() {
    std::vector<base::Ulid> again;
    again.swap(candidates_);
    for (const base::Ulid& id : again) {
        if (stopped_) co_return;
        co_await adopt(id);
    }
}

// The owner alone makes an end of a message, on its loop, and forgets it when that is durable. So one that the queue
// has and the owner does not know, both looked at there, was never told to it.
net::Task<> SafetyScan::adopt(base::Ulid id) {
    spool::Queue& queue = shared_->deps.queue;
    Owner* const owner = owners_[queue.shard_of(id)];
    net::Loop& home = loops_.at(queue.shard_of(id));
    std::function<bool()> lacks = [owner, &queue, id] { return !owner->knows(id) && queue.knows(id); };
    const bool still = co_await ask<bool>(loop_, home, lacks);
    if (!still) co_return;
    auto stored = co_await queue.look(loop_, id);
    if (!stored) {
        // Damaged or gone: the queue has said so. The disk's trouble passes: the next scan finds it again.
        co_return;
    }
    auto message = std::make_shared<spool::QueuedMessage>(spool::queued_message(*stored));
    std::function<bool()> give = [owner, lacks, message] {
        if (!lacks()) return false;
        owner->on_message(std::move(*message));
        return true;
    };
    const bool given = co_await ask<bool>(loop_, home, std::move(give));
    if (!given) co_return;
    adopted_.add();
    base::log::warning("delivery.adopted",
                       {{"message_id", id.to_string()},
                        {"msg", "it lay in the queue and nobody delivered it: found by the periodic scan"}});
}

net::Task<bool> SafetyScan::differs() {
    std::size_t known = 0;
    for (std::size_t i = 0; i < owners_.size() && !stopped_; ++i) {
        std::function<std::size_t()> size = [owner = owners_[i]] { return owner->size(); };
        known += co_await ask<std::size_t>(loop_, loops_.at(i), std::move(size));
    }
    co_return !stopped_ && known != shared_->deps.queue.stats().messages;
}

// The first look.
net::Task<> SafetyScan::look() {
    const spool::Queue& queue = shared_->deps.queue;
    for (std::uint64_t from = 0; from != spool::Queue::kWalked;) {
        if (stopped_ || candidates_.size() >= kMostCandidates) co_return;
        auto walked = queue.walk(from, kPlaces);
        from = walked.next;
        co_await collect(std::move(walked.ids));
    }
}

// Those that their owners do not know.
net::Task<> SafetyScan::collect(std::vector<base::Ulid> ids) {
    const spool::Queue& queue = shared_->deps.queue;
    std::vector<std::vector<base::Ulid>> by_shard(owners_.size());
    for (const base::Ulid& id : ids) by_shard[queue.shard_of(id)].push_back(id);
    for (std::size_t i = 0; i < owners_.size() && !stopped_; ++i) {
        if (by_shard[i].empty()) continue;
        using Ids = std::vector<base::Ulid>;
        std::function<Ids()> unknown = [owner = owners_[i], mine = std::move(by_shard[i])]() mutable {
            std::erase_if(mine, [owner](const base::Ulid& id) { return owner->knows(id); });
            return std::move(mine);
        };
        Ids found = co_await ask<Ids>(loop_, loops_.at(i), std::move(unknown));
        const auto room = kMostCandidates - std::min(candidates_.size(), kMostCandidates);
        found.resize(std::min(found.size(), room));
        std::ranges::move(found, std::back_inserter(candidates_));
    }
    co_await net::yield(loop_);
}

}  // namespace posthorn::delivery
