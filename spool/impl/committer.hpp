// Group commit: one thread takes everything that is ready, writes and syncs it as one round, and tells all who wait.
// A lone message waits for nothing but its own sync.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/metrics.hpp"
#include "net/loop.hpp"
#include "spool/impl/log.hpp"
#include "spool/impl/supply.hpp"

namespace posthorn::spool {

using Told = std::move_only_function<void(base::Result<void>)>;

// Callbacks by loop: one post per loop and round.
class Posts {
public:
    void add(net::Loop& loop, net::Callback call);
    void send();

private:
    std::vector<std::pair<net::Loop*, std::vector<net::Callback>>> by_loop_;
};

struct Request {
    Op op;
    net::Loop* loop = nullptr;  // where `told` runs; null: on the committer's thread, where it must be brief
    Told told;
    // Runs on the committer's thread when durable, before anybody is told; hands out callbacks of its own.
    std::move_only_function<void(Posts&, const Op&)> durable;
};

class Committer {
public:
    Committer(Log& log, AheadSupply& supply, base::Metrics& metrics);
    ~Committer();  // as stop()

    // Any thread. In the order given; after stop() it is told a temporary error.
    void submit(Request request);
    // Writes these in a round of their own and waits. Any thread but the committer's and the loops'.
    Results write_apart(std::vector<Op> ops);

    // The log took its last round, and there is a segment to go on with.
    bool writable() const { return writable_.load(std::memory_order_relaxed); }
    std::string trouble() const;  // why it is not

    // Writes what is queued, seals the log.
    void stop();

private:
    struct Batch {
        std::vector<Op> ops;
        std::vector<Request> requests;  // parallel; their op is moved out
    };

    void run();
    Batch next_batch();  // locked
    void process(Batch batch);
    Results write(std::vector<Op>& ops);
    void judge(const base::Result<void>& last);

    Log& log_;
    AheadSupply& supply_;
    base::Histogram& seconds_;
    base::Histogram& round_size_;
    base::Counter& rounds_;
    base::Counter& failures_;
    std::atomic<bool> writable_{true};
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Request> queue_;
    std::string trouble_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace posthorn::spool
