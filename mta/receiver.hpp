// Receiving mail by SMTP: the listeners, the sessions on all loops, and their orderly end.
//
// Life: bind() while privileged, start() when the spool and delivery are up, reload() at will, then shut_down(),
// wait_drained(), close_sessions(), wait_drained() again. The loops must have stopped before it is destroyed.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/metrics.hpp"
#include "base/result.hpp"
#include "mail/event.hpp"
#include "mta/config.hpp"
#include "mta/worker.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "spool/queue.hpp"

namespace posthorn::mta {

struct Settings;

class Receiver {
public:
    Receiver(net::LoopGroup& loops, mail::EventSink& events, base::Metrics& metrics);
    ~Receiver();

    // Binds every listener of the configuration, or none: the error names the one that failed.
    base::Result<void> bind(Config config);
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
    void close_sessions();
    // True: no session is left. Not on a loop's thread.
    bool wait_drained(base::Duration limit);

    // Any thread.
    bool accepting() const;
    std::size_t sessions() const { return shared_.sessions; }
    std::vector<net::Endpoint> endpoints() const;                       // with the ports the OS chose
    std::vector<std::pair<Protocol, net::Endpoint>> listeners() const;  // the same, and what is spoken there

private:
    struct Door;  // a listener and its settings of the hour

    base::Result<std::unique_ptr<Door>> open_door(const Config& config, const ListenerConfig& listener) const;
    void start(Door& door);
    void count_sending(const Config& config);
    void accept(const std::shared_ptr<const Settings>& settings, net::Loop& loop,
                std::unique_ptr<net::Stream> stream);

    net::LoopGroup& loops_;
    Shared shared_;
    std::vector<std::unique_ptr<Worker>> workers_;  // by loop index
    mutable std::mutex doors_mutex_;                // reload() changes what a health check looks at
    std::vector<std::unique_ptr<Door>> doors_;
    bool started_ = false;
};

}  // namespace posthorn::mta
