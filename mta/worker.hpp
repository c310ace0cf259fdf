// What the sessions of one loop share. Touched on that loop only, but for what says otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "auth/directory.hpp"
#include "auth/provider.hpp"
#include "base/guarded.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/ulid.hpp"
#include "mail/event.hpp"
#include "mta/config.hpp"
#include "mta/limits.hpp"
#include "net/loop.hpp"
#include "policy/sending.hpp"
#include "spool/queue.hpp"
#include "store/store.hpp"

namespace posthorn::mta {

class Session;

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
    Shared(mail::EventSink& e, base::Metrics& metrics) : events(e), counters(metrics) {}

    spool::Queue* queue = nullptr;  // set before the first session starts
    Services services;              // likewise
    base::Guarded<policy::SendingCounter> sending{policy::SendingCounter(SubmissionConfig{}.max_accounts)};
    mail::EventSink& events;
    Counters counters;
    std::shared_ptr<ClientLimits> clients = ClientLimits::make();
    std::atomic<std::size_t> sessions{0};
    std::atomic<bool> stopping{false};
    std::mutex drained_mutex;
    std::condition_variable drained;
};

struct Worker {
    Worker(net::Loop& l, Shared& s) : loop(l), shared(s), random(base::system_random()), ids(l.clock(), *random) {}

    net::Loop& loop;
    Shared& shared;
    std::unique_ptr<base::Random> random;
    base::UlidSource ids;
    std::unordered_set<Session*> sessions;
};

}  // namespace posthorn::mta
