// The probes over HTTP: /health/live, /health/ready, /metrics. On a loop of their own, so that they answer within a
// second whatever the mail's loops do.
#pragma once

#include <atomic>
#include <memory>

#include "base/metrics.hpp"
#include "health/config.hpp"
#include "health/readiness.hpp"
#include "health/sources.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"

namespace posthorn::health {

// What the sources say now; `spool`: the last word of the probe.
Readiness assess(const Sources& sources, const base::Result<void>& spool, std::uint64_t max_queue_size);

class Service {
public:
    // `loops` is the admin loop; the spool's probe runs on `probes`. All outlive the service, and the loop has
    // stopped when it is destroyed.
    Service(net::LoopGroup& loops, std::unique_ptr<net::Listener> listener, Sources& sources,
            base::Metrics& metrics, net::Pool& probes, const Config& config);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    void start();
    void stop();                               // any thread
    void set_max_queue_size(std::uint64_t n);  // any thread

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace posthorn::health
