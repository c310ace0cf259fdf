// A delivery agent: one way for mail to leave the queue. It takes jobs whose route is of its kind and reports each to
// the message's owner (JobResult), once and never from within submit(): the owner may be in the middle of a change.
// Agents: DestinationTable (SMTP and LMTP, over the network).
//
// One of each kind a loop, and all calls on that loop. What a job came to is a value; nothing here throws.
#pragma once

#include <string>
#include <vector>

#include "delivery/job.hpp"
#include "delivery/shared.hpp"

namespace posthorn::delivery {

class DeliveryAgent {
public:
    virtual ~DeliveryAgent() = default;

    virtual void submit(JobPtr job, const RoutePtr& route) = 0;
    virtual void wake(const std::string& key) = 0;  // an operator wants it tried now: no pause holds it
    virtual void apply(SettingsPtr settings) = 0;   // for what starts from now
    virtual void renew() = 0;                       // after a reload: what waits goes back to be routed anew
    virtual void stop() = 0;                        // starts nothing more; what waits is forgotten
    virtual void abort() = 0;                       // ends what is under way
    // Of those places mail goes to that have anything to do; with collect_all() of every one (key empty), or of one.
    virtual void collect(std::vector<DestinationStats>& into) const = 0;
    virtual void collect_all(std::vector<DestinationStats>& into, const std::string& key) const = 0;
};

}  // namespace posthorn::delivery
