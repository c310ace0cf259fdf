#include "delivery/destination_table.hpp"

namespace posthorn::delivery {

namespace {
constexpr base::Duration kSweep = std::chrono::seconds(30);
}

void DestinationTable::submit(JobPtr job, const RoutePtr& route) {
    std::shared_ptr<Destination>& destination = destinations_[route->key];
    if (!destination) {
        destination = std::make_shared<Destination>(context_, route);
        if (stopped_) destination->stop();
        sweep_later();
    }
    destination->submit(std::move(job), route);
}

void DestinationTable::wake(const std::string& key) {
    if (const auto at = destinations_.find(key); at != destinations_.end()) at->second->wake();
}

void DestinationTable::renew() {
    for (const auto& [key, destination] : destinations_) destination->renew();
}

void DestinationTable::stop() {
    stopped_ = true;
    if (sweeper_ != 0) context_->loop.cancel(std::exchange(sweeper_, 0));
    for (const auto& [key, destination] : destinations_) destination->stop();
}

void DestinationTable::abort() {
    for (const auto& [key, destination] : destinations_) destination->abort();
}

void DestinationTable::collect(std::vector<DestinationStats>& into) const {
    for (const auto& [key, destination] : destinations_) {
        if (destination->busy()) into.push_back(destination->stats());
    }
}

void DestinationTable::collect_all(std::vector<DestinationStats>& into, const std::string& key) const {
    for (const auto& [name, destination] : destinations_) {
        if (key.empty() || key == name) into.push_back(destination->stats());
    }
}

void DestinationTable::sweep_later() {
    if (sweeper_ != 0 || stopped_) return;
    sweeper_ = context_->loop.call_after(kSweep, [this] {
        sweeper_ = 0;
        const base::SteadyTime now = context_->loop.now();
        std::erase_if(destinations_, [&](const auto& entry) { return entry.second->removable(now); });
        if (!destinations_.empty()) sweep_later();
    });
}

}  // namespace posthorn::delivery
