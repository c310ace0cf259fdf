#include "spool/impl/committer.hpp"

#include <memory>

#include "base/log.hpp"

namespace posthorn::spool {
namespace {

constexpr auto kTick = std::chrono::seconds(1);  // between tries to make the log writable again

base::Error stopping_error() {
    return {base::ErrorKind::temporary, "4.3.2", "System is shutting down", "the spool is stopping", 0};
}

bool new_mail(const Op& op) { return std::holds_alternative<MessageOp>(op); }

}  // namespace

void Posts::add(net::Loop& loop, net::Callback call) {
    for (auto& [known, calls] : by_loop_) {
        if (known == &loop) return calls.push_back(std::move(call));
    }
    by_loop_.emplace_back(&loop, std::vector<net::Callback>());
    by_loop_.back().second.push_back(std::move(call));
}

void Posts::send() {
    for (auto& [loop, calls] : by_loop_) {
        loop->post([posted = std::move(calls)]() mutable {
            for (auto& call : posted) call();
        });
    }
    by_loop_.clear();
}

Committer::Committer(Log& log, AheadSupply& supply, base::Metrics& metrics)
    : log_(log),
      supply_(supply),
      seconds_(
          metrics.histogram("posthorn_spool_round_seconds", "Time of one write and sync of the log.",
                            {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5})),
      round_size_(metrics.histogram("posthorn_spool_round_operations", "Operations one sync made durable.",
                                    {1, 2, 4, 8, 16, 32, 64, 128, 256, 512})),
      rounds_(metrics.counter("posthorn_spool_rounds_total", "Rounds written and synced.")),
      failures_(metrics.counter("posthorn_spool_failures_total", "Operations that could not be made durable.")),
      thread_([this] { run(); }) {}

Committer::~Committer() { stop(); }

void Committer::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void Committer::submit(Request request) {
    bool taken = false;
    {
        const std::lock_guard lock(mutex_);
        taken = !stopping_;
        if (taken) queue_.push_back(std::move(request));
    }
    if (taken) return wake_.notify_one();
    if (request.loop == nullptr) return request.told(std::unexpected(stopping_error()));
    request.loop->post([told = std::move(request.told)]() mutable { told(std::unexpected(stopping_error())); });
}

Results Committer::write_apart(std::vector<Op> ops) {
    struct Wait {
        std::mutex mutex;
        std::condition_variable done;
        Results results;
        std::size_t left = 0;
    };
    auto wait = std::make_shared<Wait>();
    wait->results.resize(ops.size());
    wait->left = ops.size();
    for (std::size_t i = 0; i < ops.size(); ++i) {
        Request request;
        request.op = std::move(ops[i]);
        request.told = [wait, i](base::Result<void> result) {
            const std::lock_guard lock(wait->mutex);
            wait->results[i] = std::move(result);
            if (--wait->left == 0) wait->done.notify_all();
        };
        submit(std::move(request));
    }
    std::unique_lock lock(wait->mutex);
    wait->done.wait(lock, [&] { return wait->left == 0; });
    return std::move(wait->results);
}

std::string Committer::trouble() const {
    const std::lock_guard lock(mutex_);
    return trouble_;
}

void Committer::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        if (!writable())
            wake_.wait_for(lock, kTick, [this] { return stopping_ || !queue_.empty(); });
        else
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty() && stopping_) break;
        auto batch = next_batch();
        lock.unlock();
        if (!batch.ops.empty()) process(std::move(batch));
        if (!writable()) {
            auto restored = supply_.trouble();
            if (restored) restored = log_.restore();
            judge(restored);
        }
        lock.lock();
    }
    lock.unlock();
    log_.close();
}

// What is ready, up to the bound of a round. What is carried forward goes apart: it must not meet a change of the
// same message in its round.
Committer::Batch Committer::next_batch() {
    Batch batch;
    std::uint64_t octets = 0;
    while (!queue_.empty() && octets < kMaxRound) {
        const bool forward = std::holds_alternative<ForwardOp>(queue_.front().op);
        if (!batch.ops.empty() && forward != std::holds_alternative<ForwardOp>(batch.ops.back())) break;
        auto request = std::move(queue_.front());
        queue_.pop_front();
        octets += stored(request.op);
        batch.ops.push_back(std::move(request.op));
        batch.requests.push_back(std::move(request));
    }
    return batch;
}

Results Committer::write(std::vector<Op>& ops) {
    const auto low = supply_.trouble();
    if (low) return log_.write(ops);
    // The last segment is for what frees space.
    std::vector<Op> rest;
    std::vector<std::size_t> at;
    Results results(ops.size());
    for (std::size_t i = 0; i < ops.size(); ++i) {
        if (new_mail(ops[i])) {
            results[i] = std::unexpected(low.error());
        } else {
            rest.push_back(std::move(ops[i]));
            at.push_back(i);
        }
    }
    auto written = log_.write(rest);
    for (std::size_t i = 0; i < at.size(); ++i) {
        results[at[i]] = std::move(written[i]);
        ops[at[i]] = std::move(rest[i]);
    }
    return results;
}

void Committer::process(Batch batch) {
    const auto start = std::chrono::steady_clock::now();
    auto results = write(batch.ops);
    seconds_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    round_size_.observe(static_cast<double>(results.size()));
    rounds_.add();
    Posts posts;
    for (std::size_t i = 0; i < results.size(); ++i) {
        auto& request = batch.requests[i];
        if (results[i] && request.durable) request.durable(posts, batch.ops[i]);
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
        auto& request = batch.requests[i];
        const bool disk = !results[i] && results[i].error().code != 0;
        if (disk) failures_.add();
        // What it holds of a failed one (a file by the message's name) goes before somebody tries again.
        request.durable = nullptr;
        if (request.loop == nullptr) {
            request.told(std::move(results[i]));
            continue;
        }
        posts.add(*request.loop, [told = std::move(request.told), result = std::move(results[i])]() mutable {
            told(std::move(result));
        });
    }
    posts.send();
    if (!log_.writable())
        judge(base::fail(base::ErrorKind::temporary, "the last round failed"));
    else
        judge(supply_.trouble());
}

void Committer::judge(const base::Result<void>& last) {
    const bool was = writable_.exchange(last.has_value());
    if (last && !was) base::log::notice("spool.writable", {{"msg", "the log can be written again"}});
    if (!last && was) base::log::error("spool.not_writable", {{"error", last.error().log_text}});
    if (last && was) return;
    const std::lock_guard lock(mutex_);
    trouble_ = last ? std::string() : last.error().log_text;
}

}  // namespace posthorn::spool
