// The agent for mail that goes over the network, by SMTP or LMTP: the destinations of one loop, by route key. Those with
// nothing to do and a full bucket are forgotten.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "delivery/agent.hpp"
#include "delivery/destination.hpp"

namespace posthorn::delivery {

class DestinationTable final : public DeliveryAgent {
public:
    explicit DestinationTable(std::shared_ptr<LoopContext> context) : context_(std::move(context)) {}

    void submit(JobPtr job, const RoutePtr& route) override;
    void wake(const std::string& key) override;
    void apply(SettingsPtr settings) override { context_->settings = std::move(settings); }
    void renew() override;
    void stop() override;
    void abort() override;
    void collect(std::vector<DestinationStats>& into) const override;
    void collect_all(std::vector<DestinationStats>& into, const std::string& key) const override;

private:
    void sweep_later();

    std::shared_ptr<LoopContext> context_;
    std::unordered_map<std::string, std::shared_ptr<Destination>> destinations_;
    net::TimerId sweeper_ = 0;
    bool stopped_ = false;
};

}  // namespace posthorn::delivery
