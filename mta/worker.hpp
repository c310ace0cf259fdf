// What the sessions of one loop share. Touched on that loop only, but for what says otherwise.
#pragma once

#include <cstdint>
#include <memory>

#include "auth/directory.hpp"
#include "auth/provider.hpp"
#include "base/guarded.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/ulid.hpp"
#include "mail/event.hpp"
#include "mta/config.hpp"
#include "net/loop.hpp"
#include "net/session_group.hpp"
#include "policy/sending.hpp"
#include "spool/queue.hpp"
#include "store/store.hpp"

namespace posthorn::mta {

// What events do not tell. Any thread.
struct Counters {
    explicit Counters(base::Metrics& metrics);

    base::Counter& turned_away;
    base::Counter& tls_handshakes;
    base::Counter& tls_failures;
};

// Whom sessions ask; null: nobody logs in, nobody is local, nothing is kept here. All outlive the sessions.
struct Services {
    auth::Directory* directory = nullptr;
    auth::Provider* provider = nullptr;
    store::Store* store = nullptr;
};

// What all loops share. Any thread.
struct Shared {
    Shared(net::LoopGroup& loops, mail::EventSink& e, base::Metrics& metrics)
        : group(loops), events(e), counters(metrics) {}

    net::SessionGroup group;
    spool::Queue* queue = nullptr;  // set before the first session starts
    Services services;              // likewise
    base::Guarded<policy::SendingCounter> sending{policy::SendingCounter(SubmissionConfig{}.max_accounts)};
    mail::EventSink& events;
    Counters counters;
};

struct Worker {
    Worker(net::Loop& l, Shared& s) : loop(l), shared(s), random(base::system_random()), ids(l.clock(), *random) {}

    net::Loop& loop;
    Shared& shared;
    std::unique_ptr<base::Random> random;
    base::UlidSource ids;
};

}  // namespace posthorn::mta
