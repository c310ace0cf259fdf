// The inside of delivery::Service, shared by its two files.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "base/guarded.hpp"
#include "delivery/delivery_mark.hpp"
#include "delivery/destination_table.hpp"
#include "delivery/frozen.hpp"
#include "delivery/overrides.hpp"
#include "delivery/owner.hpp"
#include "delivery/safety_scan.hpp"
#include "delivery/service.hpp"
#include "delivery/turns.hpp"

namespace posthorn::delivery {

inline constexpr std::size_t kNoLimit = std::size_t{1} << 40;  // of a list

struct Service::Impl : std::enable_shared_from_this<Service::Impl> {
    Impl(Deps deps, Config config);

    // One loop's share.
    struct Part {
        std::unique_ptr<Owner> owner;
        std::vector<std::shared_ptr<DeliveryAgent>>
            agents;  // the network's, and, where there is a store, the local one

        DeliveryAgent& agent(const policy::Route& route) const {
            return *agents.at(route.protocol == policy::Protocol::local ? 1 : 0);
        }
        void each_agent(const std::function<void(DeliveryAgent&)>& fn) const {
            for (const auto& one : agents) fn(*one);
        }
        std::shared_ptr<LoopContext> context;
    };

    void lay(Overrides overrides);
    void build(const FrozenPtr& now_frozen);
    base::Result<void> start();
    void start_scan();
    void stop(base::Duration grace, net::Callback done);
    void reload(Config config);
    void renew(Config config);  // to all loops; `laid` is locked
    // Runs `fn` for each part on its loop, then `then` on the loop that was last.
    void on_all(std::function<void(Part&)> fn, net::Callback then);
    void watch_stop();
    void submit(JobPtr job, RoutePtr route, std::size_t from);
    void report(JobResult result);

    policy::Route route(std::string_view domain) const {
        return settings()->routing.route(domain, shared->is_local(domain));
    }
    net::Loop& home(const std::string& key) { return loops.for_hash(std::hash<std::string>{}(key)); }
    SettingsPtr settings() const {
        return current.with([](const SettingsPtr& s) { return s; });
    }

    std::shared_ptr<Shared> shared;
    net::LoopGroup& loops;
    std::vector<Part> parts;  // by loop
    std::shared_ptr<SafetyScan> scan;
    std::shared_ptr<DeliveryMark> mark;  // null without a store
    // What the configuration says, and what lies over it; locked while `current` is made of them.
    struct Laid {
        Config config;
        Overrides overrides;
    };
    base::Guarded<Laid> laid;
    base::Guarded<SettingsPtr> current;
    base::Guarded<FrozenPtr> frozen;
    std::shared_ptr<Turns> freezing = std::make_shared<Turns>();    // one change of `frozen` at a time
    std::shared_ptr<Turns> overriding = std::make_shared<Turns>();  // and of the overrides
    std::unique_ptr<base::Disk> disk;
    std::vector<std::uint64_t> seeds;
    std::atomic<bool> running{false};

    // Loop 0's.
    bool stopping = false;
    bool aborted = false;
    bool quiet = false;  // owners and tables have stopped
    base::SteadyTime stop_deadline{};
    std::vector<net::Callback> stop_done;
};

}  // namespace posthorn::delivery
