// Holds back the end of a connection's next message until the outcome of its last one is durable: after a crash each
// connection repeats one message at most. RFC 5321 §4.5.3.2.6 asks to keep duplicates few.
//
// Lives on one loop, as its connection does; only the ticket goes elsewhere.
#pragma once

#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::delivery {

// Destroyed when something is over.
using Ticket = std::shared_ptr<void>;

// How long a message that is sent but for its end waits at a gate. Servers wait three minutes (RFC 5321 §4.5.3.2.5).
inline constexpr base::Duration kRecordPatience = std::chrono::seconds(30);

class Gate {
public:
    explicit Gate(net::Loop& loop);
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    // Shut until the ticket is gone; it may go on any thread, and outlive the loop. Only while open.
    Ticket shut();
    bool open() const;
    // True when it is open; false when `until` has passed or it was interrupted. Costs nothing while open.
    net::Task<bool> pass(std::optional<base::SteadyTime> until);
    // Who waits is sent back, and whoever comes to it shut from now on.
    void interrupt();

private:
    struct State;
    net::Loop& loop_;
    std::shared_ptr<net::Event> event_;
    std::shared_ptr<State> last_;  // null: never shut
    bool interrupted_ = false;
};

}  // namespace posthorn::delivery
