// Reading mail by IMAP: the listeners, the sessions on all loops, and their orderly end.
//
// Life: bind() while privileged, start() when logins and the store are up, reload() at will, then shut_down(), wait_drained(),
// close_sessions(), wait_drained() again. The loops must have stopped before it is destroyed. Provider and store
// outlive the loops' running.
#pragma once

#include <memory>
#include <vector>

#include "base/metrics.hpp"
#include "base/result.hpp"
#include "net/doors.hpp"
#include "net/loop.hpp"
#include "readers/imap/config.hpp"
#include "readers/imap/settings.hpp"
#include "readers/imap/worker.hpp"

namespace posthorn::imap {

class Service {
public:
    Service(net::LoopGroup& loops, base::Metrics& metrics);
    ~Service();

    // Binds every listener of the configuration, or none: the error names the one that failed. Main thread.
    base::Result<void> bind(Config config) { return reload(std::move(config)); }
    void start(auth::Provider& provider, store::Store& store);
    base::Result<void> reload(Config config);

    // A connection that did not come through a listener of ours (tests). On the stream's loop.
    void serve(std::unique_ptr<net::Stream> stream, const ListenerConfig& listener, const Config& config);

    // Stops accepting; sessions that wait for a command end with BYE. Any thread but a loop's; idempotent.
    void shut_down();
    // What is left ends now, but for what the store has begun.
    void close_sessions();
    // True: no session is left. Not on a loop's thread.
    bool wait_drained(base::Duration limit);

    // Any thread.
    bool accepting() const { return doors_.accepting(); }
    std::size_t sessions() const { return shared_.sessions; }
    std::vector<net::Endpoint> endpoints() const { return doors_.endpoints(); }

private:
    void accept(const std::shared_ptr<const Settings>& settings, net::Loop& loop,
                std::unique_ptr<net::Stream> stream);

    net::LoopGroup& loops_;
    Shared shared_;
    std::vector<std::unique_ptr<Worker>> workers_;  // by loop index
    net::Doors<Settings> doors_;
};

}  // namespace posthorn::imap
