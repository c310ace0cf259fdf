// Receiving mail by SMTP: the listeners, the sessions on all loops, and their orderly end.
//
// Life: bind() while privileged, start() when the spool and delivery are up, reload() at will, then shut_down(),
// wait_drained(), close_sessions(), wait_drained() again. The loops must have stopped before it is destroyed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/metrics.hpp"
#include "base/result.hpp"
#include "mail/event.hpp"
#include "mta/config.hpp"
#include "mta/settings.hpp"
#include "mta/worker.hpp"
#include "net/doors.hpp"
#include "net/loop.hpp"
#include "spool/queue.hpp"

namespace posthorn::mta {

class Receiver {
public:
    Receiver(net::LoopGroup& loops, mail::EventSink& events, base::Metrics& metrics);

    // Binds every listener of the configuration, or none: the error names the one that failed.
    base::Result<void> bind(Config config) { return reload(std::move(config)); }
    // `queue` and the services outlive the sessions.
    void start(spool::Queue& queue, Services services = {});

    // Listeners that stay (same address) get new settings for new sessions, new ones are bound, others stop. Refused
    // as a whole when one cannot be bound. Main thread.
    base::Result<void> reload(Config config);

    // A connection that did not come through a listener of ours (tests, socket activation). On the stream's loop.
    void serve(std::unique_ptr<net::Stream> stream, const ListenerConfig& listener, const Config& config);

    // Stops accepting; sessions end with 421 when no message is under way. Any thread but a loop's; idempotent.
    void shut_down();
    // What is left ends now, but for commits and the replies to them.
    void close_sessions() { shared_.group.close(); }
    // True: no session is left. Not on a loop's thread.
    bool wait_drained(base::Duration limit) { return shared_.group.wait_drained(limit); }

    // Any thread.
    bool accepting() const { return !endpoints().empty() && doors_.accepting(); }
    std::size_t sessions() const { return shared_.group.size(); }
    std::vector<net::Endpoint> endpoints() const { return doors_.endpoints(); }
    std::vector<std::pair<Protocol, net::Endpoint>> listeners() const;  // the same, and what is spoken there

private:
    void accept(const std::shared_ptr<const Settings>& settings, net::Loop& loop,
                std::unique_ptr<net::Stream> stream);

    net::LoopGroup& loops_;
    Shared shared_;
    std::vector<std::unique_ptr<Worker>> workers_;  // by loop index
    net::Doors<Settings> doors_;
};

}  // namespace posthorn::mta
