// What the sessions of a reader share: all of them, and those of one loop.
#pragma once

#include <memory>
#include <string>

#include "auth/provider.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "net/loop.hpp"
#include "net/session_group.hpp"
#include "store/store.hpp"

namespace posthorn::readers {

// Any thread.
struct Counters {
    Counters(base::Metrics& metrics, const std::string& name, const std::string& title);

    base::Counter& sessions;
    base::Counter& turned_away;
    base::Counter& tls_handshakes;
    base::Counter& tls_failures;
};

// Any thread.
struct Shared {
    // `name`: "imap", as metrics have it; `title`: "IMAP".
    Shared(net::LoopGroup& loops, base::Metrics& metrics, const std::string& name, const std::string& title)
        : group(loops), base_counters(metrics, name, title) {}

    net::SessionGroup group;
    auth::Provider* provider = nullptr;  // both set before the first session starts
    store::Store* store = nullptr;
    std::shared_ptr<net::ClientLimits> strangers = net::ClientLimits::make();  // who has not logged in
    Counters base_counters;
};

// Of one loop, touched there alone. `Shared` derives from readers::Shared.
template <class Shared>
struct Worker {
    Worker(net::Loop& l, Shared& s) : loop(l), shared(s), random(base::system_random()) {}

    net::Loop& loop;
    Shared& shared;
    std::unique_ptr<base::Random> random;
};

}  // namespace posthorn::readers
