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

// Whether a domain is ours by the directory, which no configuration changes; none: nobody is local. Any thread.
using Locals = std::function<bool(std::string_view domain)>;

// The decisions of one configuration. Immutable, any thread.
class Decisions {
public:
    // `overrides`: what operators set at run time, which lies over any configuration.
    Decisions(const Config& config, const delivery::Overrides& overrides, Locals locals);

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
        bool trusted = false;  // whoever gets in may send anywhere: a Unix socket, a login
    };
    const Door* door_of(const mail::Event& event) const;
    bool is_local(std::string_view domain) const { return locals_ && locals_(domain); }

    std::vector<Door> doors_;
    policy::RoutingTable routing_;
    Locals locals_;
};

class Replay final : public control::Replay {
public:
    // `overrides` is asked for each plan; any thread.
    Replay(const Config& config, std::function<delivery::Overrides()> overrides, Locals locals = nullptr);

    std::expected<std::unique_ptr<control::Plan>, std::string> plan(std::string_view text,
                                                                    const std::string& file) override;
    void reloaded(const Config& config);                                              // any thread
    std::vector<control::RouteStep> receiving(const mail::Address& recipient) const;  // any thread

private:
    std::function<delivery::Overrides()> overrides_;
    Locals locals_;
    base::Guarded<std::shared_ptr<const Config>> running_;
};

}  // namespace posthorn::server
