// What configurations decide about an envelope: the one that holds against a candidate.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.hpp"
#include "control/replay.hpp"
#include "control/route.hpp"
#include "delivery/overrides.hpp"
#include "policy/relay.hpp"
#include "policy/routing.hpp"
#include "server/config/config.hpp"

namespace posthorn::server {

// The decisions of one configuration. Immutable, any thread.
class Decisions {
public:
    // `overrides`: what operators set at run time, which lies over any configuration.
    Decisions(const Config& config, const delivery::Overrides& overrides);

    // In words that can be compared. `recipients`: how many the message has.
    std::string accept(const mail::Event& event, const mail::Address& recipient, std::size_t recipients) const;
    std::string route(const std::string& domain) const;
    std::string limit(const std::string& domain) const;
    // Whether each listener takes it, and of whom.
    std::vector<control::RouteStep> receiving(const mail::Address& recipient) const;

private:
    struct Door {
        std::string name;  // "smtp [::]:25"
        mta::SmtpConfig smtp;
        policy::RelayPolicy relay;
        bool local = false;  // a Unix socket: whoever comes is trusted
    };
    const Door* door_of(const mail::Event& event) const;

    std::vector<Door> doors_;
    policy::RoutingTable routing_;
};

class Replay final : public control::Replay {
public:
    // `overrides` is asked for each plan; any thread.
    Replay(const Config& config, std::function<delivery::Overrides()> overrides);

    std::expected<std::unique_ptr<control::Plan>, std::string> plan(std::string_view text,
                                                                    const std::string& file) override;
    void reloaded(const Config& config);                                              // any thread
    std::vector<control::RouteStep> receiving(const mail::Address& recipient) const;  // any thread

private:
    std::function<delivery::Overrides()> overrides_;
    base::Guarded<std::shared_ptr<const Config>> running_;
};

}  // namespace posthorn::server
