// Figures nobody counts by himself: looked at every few seconds on the admin loop. The queue by state, what the process
// takes, how late the event loops are.
#pragma once

#include <memory>

#include "base/metrics.hpp"
#include "delivery/service.hpp"
#include "net/dns.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"

namespace posthorn::server {

class Gauges : public std::enable_shared_from_this<Gauges> {
public:
    struct Deps {
        base::Metrics& metrics;
        delivery::Service& delivery;
        net::LoopGroup& loops;  // whose lag is measured
        net::Pool& pool;        // /proc is read here
    };
    explicit Gauges(Deps deps);
    // All of `deps` outlive the loop's run.
    void start(net::Loop& admin);

private:
    static net::Task<> run(std::shared_ptr<Gauges> self, net::Loop& admin);
    void set_queue(const delivery::Stats& stats);
    void measure_lag();
    static base::Result<void> read_process(base::Gauge& memory, base::Gauge& files);

    Deps deps_;
    base::Gauge& in_flight_;
    base::Gauge& waiting_;
    base::Gauge& deferred_;
    base::Gauge& frozen_;
    base::Gauge& memory_;
    base::Gauge& files_;
    base::Histogram& lag_;
};

// What the resolver and the log count themselves, under fixed names. `resolver` outlives `metrics`' readers.
void register_callbacks(base::Metrics& metrics, net::Resolver& resolver);

}  // namespace posthorn::server
