// What all parts of delivery on all loops share: the ports, and the configuration as one immutable snapshot.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "auth/directory.hpp"
#include "base/metrics.hpp"
#include "delivery/config.hpp"
#include "delivery/service.hpp"
#include "delivery/smtp_client.hpp"
#include "policy/routing.hpp"

namespace posthorn::delivery {

struct Settings {
    Settings(Config c, std::uint64_t number) : config(std::move(c)), routing(config.routing), generation(number) {}
    Config config;
    policy::RoutingTable routing;
    std::uint64_t generation;  // from 1, one more at each reload
};
using SettingsPtr = std::shared_ptr<const Settings>;
using RoutePtr = std::shared_ptr<const policy::Route>;

// Counters that have no label but a fixed one; see delivery/reporter.hpp for those per domain.
struct DeliveryMetrics {
    explicit DeliveryMetrics(base::Metrics& metrics);
    base::Metrics& registry;
    base::Counter& delivered;
    base::Counter& deferred;
    base::Counter& bounced;
    base::Counter& expired;
    base::Counter& messages_done;
    base::Counter& dsn_failure;
    base::Counter& dsn_delay;
    base::Counter& dsn_success;
    base::Counter& double_bounces;
    base::Counter& record_failures;
    base::Counter& unrecorded;
    base::Gauge& connections;
    base::Gauge& in_flight;
    base::Histogram& attempt_seconds;
    base::Histogram& queue_seconds;
    base::Histogram& rate_limit_delay;
};

// Held by every part. `active` counts transactions and records under way, for stop().
struct Shared {
    explicit Shared(Deps d) : deps(d), metrics(d.metrics) {}
    // Whether mail for this domain (a domain_key()) stays here. Any thread.
    bool is_local(std::string_view domain) const {
        return deps.directory != nullptr && deps.store != nullptr && deps.directory->is_local_domain(domain);
    }
    Deps deps;
    DeliveryMetrics metrics;
    std::atomic<std::int64_t> active{0};
    std::atomic<std::int64_t> destinations{0};
};

// Counts as active while it lives.
class Active {
public:
    explicit Active(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) { shared_->active.fetch_add(1); }
    ~Active() {
        if (shared_) shared_->active.fetch_sub(1);
    }
    Active(Active&& other) noexcept = default;
    Active& operator=(Active&&) = delete;

private:
    std::shared_ptr<Shared> shared_;
};

}  // namespace posthorn::delivery
