// What health asks of the parts; server/ implements it.
#pragma once

#include "base/result.hpp"
#include "net/dns.hpp"
#include "spool/queue.hpp"

namespace posthorn::health {

// Any thread; none blocks but probe_spool(), which is called on a pool.
class Sources {
public:
    virtual ~Sources() = default;
    virtual bool smtp_accepting() const = 0;
    virtual bool delivery_running() const = 0;
    virtual net::DnsHealth dns() const = 0;
    virtual spool::QueueStats queue() const = 0;
    virtual base::Result<void> probe_spool() = 0;
};

}  // namespace posthorn::health
