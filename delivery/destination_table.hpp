// The destinations of one loop, by route key. Those with nothing to do and a full bucket are forgotten.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "delivery/destination.hpp"

namespace posthorn::delivery {

class DestinationTable {
public:
    explicit DestinationTable(std::shared_ptr<LoopContext> context) : context_(std::move(context)) {}

    // On the loop.
    void submit(JobPtr job, const RoutePtr& route);
    void wake(const std::string& key);
    void apply(SettingsPtr settings) { context_->settings = std::move(settings); }
    void renew();  // after a reload: see Destination::renew()
    void stop();
    void abort();
    void collect(std::vector<DestinationStats>& into) const;  // those with anything to do
    void collect_all(std::vector<DestinationStats>& into, const std::string& key) const;  // empty: every one
    std::size_t size() const { return destinations_.size(); }

private:
    void sweep_later();

    std::shared_ptr<LoopContext> context_;
    std::unordered_map<std::string, std::shared_ptr<Destination>> destinations_;
    net::TimerId sweeper_ = 0;
    bool stopped_ = false;
};

}  // namespace posthorn::delivery
