// How the server is, for the operator (system.status) and for machines (health): one place that asks the parts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "control/system.hpp"
#include "delivery/service.hpp"
#include "health/sources.hpp"
#include "mta/receiver.hpp"
#include "net/dns.hpp"
#include "server/folders.hpp"
#include "spool/queue.hpp"

namespace posthorn::server {

class Status final : public control::System, public health::Sources {
public:
    struct Deps {
        const base::Clock& clock;
        mta::Receiver& receiver;
        spool::Queue& queue;
        delivery::Service& delivery;
        net::Resolver& resolver;
    };
    // `config`: the file's path; empty: embedded defaults.
    Status(Deps deps, std::function<std::string()> hostname, std::string config, std::vector<Bound> listeners);

    net::Task<base::Result<control::Value>> status(net::Loop& loop) override;

    bool smtp_accepting() const override { return deps_.receiver.accepting(); }
    bool delivery_running() const override { return deps_.delivery.running(); }
    net::DnsHealth dns() const override { return deps_.resolver.health(); }
    spool::QueueStats queue() const override { return deps_.queue.stats(); }
    base::Result<void> probe_spool() override { return deps_.queue.probe(); }

private:
    Deps deps_;
    std::function<std::string()> hostname_;
    std::string config_;
    std::vector<Bound> listeners_;
    base::SteadyTime started_;
};

}  // namespace posthorn::server
