// What the sessions of one loop share. Touched on that loop only, but for what says otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "auth/provider.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "net/client_limits.hpp"
#include "net/loop.hpp"
#include "store/store.hpp"

namespace posthorn::imap {

class Session;

// Any thread.
struct Counters {
    explicit Counters(base::Metrics& metrics);

    base::Counter& sessions;
    base::Counter& turned_away;
    base::Counter& tls_handshakes;
    base::Counter& tls_failures;
    base::Counter& commands;
    base::Counter& appended;
};

// What all loops share. Any thread.
struct Shared {
    explicit Shared(base::Metrics& metrics) : counters(metrics) {}

    auth::Provider* provider = nullptr;  // both set before the first session starts
    store::Store* store = nullptr;
    Counters counters;
    std::shared_ptr<net::ClientLimits> clients = net::ClientLimits::make();
    std::atomic<std::size_t> sessions{0};
    std::atomic<bool> stopping{false};
    std::mutex drained_mutex;
    std::condition_variable drained;
};

struct Worker {
    Worker(net::Loop& l, Shared& s) : loop(l), shared(s), random(base::system_random()) {}

    net::Loop& loop;
    Shared& shared;
    std::unique_ptr<base::Random> random;
    std::unordered_set<Session*> sessions;
};

}  // namespace posthorn::imap
