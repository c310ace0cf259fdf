#include "net/impl/timers.hpp"

#include <algorithm>
#include <limits>

namespace posthorn::net::impl {
namespace {

constexpr std::size_t kCompactAt = 64;  // below it cancelled entries are not worth a rebuild

}  // namespace

TimerId Timers::add(base::SteadyTime when, Callback fn) {
    const TimerId id = ++last_;
    callbacks_.emplace(id, std::move(fn));
    if (when == kNever) return id;
    heap_.push_back({when, id});
    std::push_heap(heap_.begin(), heap_.end());
    return id;
}

void Timers::cancel(TimerId id) {
    auto node = callbacks_.extract(id);
    if (node.empty()) return;
    ++cancelled_;  // one too many for a timer that is never due: the rebuild counts afresh
    if (heap_.size() < kCompactAt || cancelled_ < heap_.size() / 2) return;
    std::erase_if(heap_, [this](const Entry& entry) { return !callbacks_.contains(entry.id); });
    std::make_heap(heap_.begin(), heap_.end());
    cancelled_ = 0;
}

void Timers::drop_cancelled() {
    while (!heap_.empty() && !callbacks_.contains(heap_.front().id)) {
        std::pop_heap(heap_.begin(), heap_.end());
        heap_.pop_back();
        if (cancelled_ > 0) --cancelled_;
    }
}

base::SteadyTime Timers::next() {
    drop_cancelled();
    return heap_.empty() ? kNever : heap_.front().when;
}

TimerId Timers::next_id() {
    drop_cancelled();
    return heap_.empty() ? std::numeric_limits<TimerId>::max() : heap_.front().id;
}

std::optional<Callback> Timers::take_due(base::SteadyTime now) {
    if (next() > now || heap_.empty()) return std::nullopt;
    auto node = callbacks_.extract(heap_.front().id);
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    return std::move(node.mapped());
}

void Timers::clear() {
    heap_.clear();
    while (!callbacks_.empty()) {
        auto dying = std::move(callbacks_);
        callbacks_.clear();
    }
    heap_.clear();
}

}  // namespace posthorn::net::impl
