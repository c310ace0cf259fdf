// What we tell the service manager (sd_notify(3)): one datagram a message to the socket in $NOTIFY_SOCKET. Without one
// every call does nothing.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace posthorn::server {

class Notifier {
public:
    // `socket`: a path, "@name" in the abstract namespace, or empty. `watchdog` 0: nobody waits for alive().
    Notifier(std::string socket, base::Duration watchdog);

    // As the environment says, from which it is taken: what we start is not to speak for us.
    static Notifier from_environment();

    bool wanted() const { return !socket_.empty(); }
    // Within which time the manager wants to hear alive(), or it ends us; 0: it does not.
    base::Duration watchdog() const { return watchdog_; }

    // Main thread, all of them. A manager that does not read holds it up for two seconds at most.
    void ready() const;
    void reloading(base::SteadyTime now) const;  // ends with ready()
    void stopping(base::Duration within) const;  // the manager is to be that patient
    void alive() const;
    void status(std::string_view text) const;  // one line for people, shown by `systemctl status`

private:
    void send(const std::string& message) const;

    std::string socket_;
    base::Duration watchdog_;
};

}  // namespace posthorn::server
