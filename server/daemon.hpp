// The composition root: every part is built here in floor order, run, drained, and destroyed in reverse.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "control/steering.hpp"
#include "server/config/config.hpp"
#include "server/folders.hpp"
#include "server/options.hpp"

namespace posthorn::server {

class Daemon {
public:
    Daemon(Config config, Options options);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Binds all listeners, drops privileges, opens the spool, starts the parts. An error is a refusal to start, to be
    // shown to the operator. Main thread, as all of this.
    base::Result<void> start();

    // Serves until a signal ends it: reloads at SIGHUP, drains at the first SIGTERM or SIGINT, hurries at the next.
    void run();

private:
    struct Parts;

    base::Result<void> bind();
    base::Result<void> give_sockets();
    base::Result<void> open();   // spool, resolver, delivery
    base::Result<void> serve();  // everything runs
    base::Result<void> open_exporter();
    base::Result<void> open_store();
    std::vector<Bound> listeners() const;
    control::Steering::Outcome reload();
    void answer_reload();
    void report_ready();  // to the service manager
    void drain();
    [[noreturn]] void abandon();

    Config config_;
    Options options_;
    std::unique_ptr<Parts> parts_;
};

}  // namespace posthorn::server
