// What the sessions of one loop share. Touched on that loop only, but for what says otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/ulid.hpp"
#include "mail/event.hpp"
#include "mta/limits.hpp"
#include "net/loop.hpp"
#include "spool/queue.hpp"

namespace posthorn::mta {

class Session;

// What events do not tell. Any thread.
struct Counters {
    explicit Counters(base::Metrics& metrics);

    base::Counter& turned_away;
    base::Counter& tls_handshakes;
    base::Counter& tls_failures;
};

// What all loops share. Any thread.
struct Shared {
    Shared(mail::EventSink& e, base::Metrics& metrics) : events(e), counters(metrics) {}

    spool::Queue* queue = nullptr;  // set before the first session starts
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
