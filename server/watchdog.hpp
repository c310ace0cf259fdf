// Tells the service manager that we live only while every event loop runs what is posted to it: a process whose loops
// hang is ended and started again.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/loop.hpp"
#include "server/notify.hpp"

namespace posthorn::server {

class Watchdog {
public:
    // `loops` outlive it. `status` makes the line that goes with each sign of life.
    Watchdog(const Notifier& notifier, std::vector<net::Loop*> loops, const base::Clock& clock,
             std::function<std::string()> status);

    // How long the caller may wait before the next look(). Main thread, as all of this.
    base::Duration pause() const;
    // When it is time: tells the manager, if all loops have answered since the last look, and asks them again.
    void look();

private:
    void ask();

    const Notifier& notifier_;
    std::vector<net::Loop*> loops_;
    const base::Clock& clock_;
    std::function<std::string()> status_;
    base::Duration every_;
    base::SteadyTime next_;
    std::shared_ptr<std::atomic<std::size_t>> unanswered_;  // shared with what was posted
};

}  // namespace posthorn::server
