#include "delivery/destination.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace posthorn::delivery {

std::uint64_t warm_cost(const Job& job) {
    if (!job.envelope) return 0;
    const bool in_memory = job.body && job.body->memory();
    return 1024 + job.envelope->recipients.size() * 64 + (in_memory ? job.body->size() : 0);
}

Destination::Destination(std::shared_ptr<LoopContext> context, RoutePtr route)
    : owned_context_(std::move(context)),
      context_(*owned_context_),
      route_(std::move(route)),
      bucket_(route_->rate) {
    context_.shared->destinations.fetch_add(1);
}

Destination::~Destination() { context_.shared->destinations.fetch_sub(1); }

base::WallTime Destination::wall(base::SteadyTime at) const {
    const net::Loop& loop = context_.loop;
    return loop.clock().wall() + std::chrono::ceil<std::chrono::milliseconds>(at - loop.now());
}

void Destination::submit(JobPtr job, const RoutePtr& route) {
    change(route);
    if (stopped_) {
        give_back(std::move(job));
        return;
    }
    job->board = board_;
    job->sequence = next_sequence_++;
    const std::uint64_t cost = warm_cost(*job);
    if (context_.warm_bytes + cost > kWarmBytes) {
        job->envelope.reset();
        job->body.reset();
    } else {
        context_.warm_bytes += cost;
    }
    if (job->urgent) pause_until_ = {};
    waiting_.push_back(job);
    pump();
    if (board_->why == Hold::bucket) note_limited(*job);
}

// Another route under the same key: the configuration has changed.
void Destination::change(const RoutePtr& route) {
    if (route == route_) return;
    policy::Route same_domain = *route;
    same_domain.domain = route_->domain;
    if (same_domain == *route_) return;
    if (route->rate != route_->rate) bucket_.change(route->rate, context_.loop.now());
    route_ = route;
    ++generation_;
}

void Destination::renew() {
    std::deque<JobPtr> waiting;
    waiting.swap(waiting_);
    ++generation_;
    for (JobPtr& job : waiting) {
        cool(*job);
        if (job->start()) give_back(std::move(job));
    }
    while (wake_idle()) {
    }
    pump();
}

void Destination::wake() {
    pause_until_ = {};
    crowded_until_ = {};
    pump();
}

void Destination::stop() {
    stopped_ = true;
    for (const JobPtr& job : waiting_) cool(*job);
    waiting_.clear();
    while (wake_idle()) {
    }
    for (Worker* worker : workers_) {
        worker->opening_ends->request();  // no message would go over it any more
        if (worker->held) worker->gate.interrupt();
        worker->event.notify_all();  // who waits for a token
    }
    if (timer_ != 0) context_.loop.cancel(std::exchange(timer_, 0));
    show(Hold::stopping, {});
}

void Destination::abort() {
    for (Worker* worker : workers_) {
        if (worker->connection) worker->connection->abort();
        worker->gate.interrupt();
    }
}

bool Destination::removable(base::SteadyTime now) const {
    return waiting_.empty() && workers_.empty() && bucket_.full(now) && pause_until_ <= now;
}

DestinationStats Destination::stats() const {
    DestinationStats s;
    s.key = route_->key;
    s.next_hop = route_->next_hop();
    s.waiting = waiting_.size();
    s.in_flight = in_flight_;
    s.connections = connected_;
    s.why = board_->why;
    if (const auto until = board_->until_ms.load(); until != 0) s.until = base::from_ms(until);
    s.last_error = last_error_;
    const base::SteadyTime now = context_.loop.now();
    s.rate = route_->rate;
    s.tokens = bucket_.tokens(now);
    if (const auto next = bucket_.next(); bucket_.limited() && next > now) s.next_token = wall(next);
    s.max_connections = route_->max_connections;
    s.tls = last_tls_;
    s.reached = reached_;
    return s;
}

// The one place where waiting jobs are set going, called after anything that may allow it. What cannot start shows
// why on the board, and a timer is set where time alone will help.
void Destination::pump() {
    if (stopped_) return;
    drop_revoked();
    if (waiting_.empty()) {
        show(Hold::none, {});
        return;
    }
    board_->head = waiting_.front()->sequence.load();
    const base::SteadyTime now = context_.loop.now();
    if (held_ > 0) {
        show(Hold::unrecorded, {});
        return;
    }
    if (pause_until_ > now) {
        hold(Hold::unreachable, pause_until_);
        return;
    }
    if (!token_free(now)) {
        note_limited(*waiting_.front());
        hold(Hold::bucket, bucket_.next(unpaid_));
        return;
    }
    std::size_t startable = waiting_.size();
    std::size_t woken = 0;
    while (startable > 0 && bucket_.next(unpaid_ + woken) <= now && wake_idle()) {
        --startable;
        ++woken;
    }
    if (startable > opening_ && bucket_.next(unpaid_ + woken) <= now && may_open(now)) open_worker();
    if (connected_ > 0)
        show(startable > 0 ? Hold::concurrency : Hold::none, {});
    else
        show(Hold::connecting, {});
}

void Destination::hold(Hold why, base::SteadyTime until) {
    show(why, until);
    if (timer_ != 0 && timer_at_ <= until) return;
    if (timer_ != 0) context_.loop.cancel(timer_);
    timer_at_ = until;
    timer_ = context_.loop.call_at(until, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->timer_ = 0;
            self->pump();
        }
    });
}

void Destination::show(Hold why, base::SteadyTime until) {
    board_->why = why;
    board_->until_ms = until == base::SteadyTime{} ? 0 : base::to_ms(wall(until));
    board_->interval_ns = bucket_.limited() ? (bucket_.next(1) - bucket_.next(0)).count() : std::int64_t{0};
}

void Destination::note_limited(Job& job) {
    if (job.limited) return;
    job.limited = true;
    if (!limited_counter_) {
        limited_counter_ = &context_.shared->metrics.registry.counter(
            "posthorn_delivery_rate_limited_total", "Messages held back by the rate limit of their destination",
            {{"domain", route_->domain}});
    }
    limited_counter_->add();
    mail::Event event;
    event.kind = mail::EventKind::rate_limited;
    event.at = context_.loop.clock().wall();
    event.message_id = job.id;
    event.domain = route_->domain;
    const std::uint64_t ahead = job.sequence - board_->head;
    event.detail = std::to_string(base::to_ms(wall(bucket_.next(ahead))));
    event.text = "held back by the rate limit of " + route_->key;
    context_.shared->deps.events.record(event);
}

bool Destination::may_open(base::SteadyTime now) const {
    if (workers_.size() >= std::max(route_->max_connections, 1U)) return false;
    if (connected_ == 0) return opening_ == 0;
    return opening_ == 0 && crowded_until_ <= now;
}

void Destination::opened(Worker& worker) {
    if (std::exchange(worker.opening, false)) --opening_;
}

void Destination::set_held(Worker& worker, bool held) {
    if (std::exchange(worker.held, held) == held) return;
    if (!held) {
        --held_;
        return;
    }
    ++held_;
    context_.shared->metrics.unrecorded.add();
    base::log::warning("delivery.unrecorded",
                       {{"destination", route_->key},
                        {"msg", "the outcome of a message cannot be recorded; nothing more is sent until it is"}});
    pump();
}

void Destination::open_worker() {
    ++opening_;
    net::spawn(context_.loop, "delivery.worker", work(shared_from_this()));
}

bool Destination::wake_idle() {
    if (idle_.empty()) return false;
    Worker* worker = idle_.back();
    idle_.pop_back();
    worker->woken = true;
    worker->event.notify_one();
    return true;
}

void Destination::drop_revoked() {
    while (!waiting_.empty() && waiting_.front()->state == Job::State::revoked) {
        cool(*waiting_.front());
        waiting_.pop_front();
    }
}

// The next job, if one may start now.
JobPtr Destination::take() {
    const base::SteadyTime now = context_.loop.now();
    if (stopped_ || held_ > 0 || pause_until_ > now || !token_free(now)) return nullptr;
    while (!waiting_.empty()) {
        JobPtr job = std::move(waiting_.front());
        waiting_.pop_front();
        if (job->envelope) context_.warm_bytes -= std::min(context_.warm_bytes, warm_cost(*job));
        if (job->start()) return job;
    }
    return nullptr;
}

// Not attempted after all (no token, no further connection): it waits again, first in line.
void Destination::put_back(JobPtr job) {
    if (stopped_ || job->wanted_back) {
        give_back(std::move(job));
        return;
    }
    job->stage = Hold::none;
    context_.warm_bytes += warm_cost(*job);
    job->state = Job::State::waiting;
    waiting_.push_front(job);
    // The owner may have asked between the check and the store: then revoke() found it started.
    if (job->wanted_back && job->start()) {
        waiting_.pop_front();
        cool(*job);
        give_back(std::move(job));
    }
}

// Untried to its owner.
void Destination::give_back(JobPtr job) {
    job->state = Job::State::finished;
    JobResult result;
    result.attempted = false;
    result.envelope = std::move(job->envelope);
    result.body = std::move(job->body);
    result.job = std::move(job);
    context_.report(std::move(result));
}

void Destination::cool(Job& job) { context_.warm_bytes -= std::min(context_.warm_bytes, warm_cost(job)); }

// Nothing answered at any address: what waits fails with the job that found out, and what comes now is held.
void Destination::unreachable(const mail::Outcome& why) {
    const base::Duration pause = std::min(kUnreachablePause, context_.settings->config.retry.min);
    pause_until_ = context_.loop.now() + pause;
    last_error_ = why.text;
    std::deque<JobPtr> waiting;
    waiting.swap(waiting_);
    for (JobPtr& job : waiting) {
        cool(*job);
        if (!job->start()) continue;
        job->state = Job::State::finished;
        JobResult result;
        result.started = why.at;
        result.recipients.assign(job->recipients.size(), smtp::RecipientResult{why});
        result.envelope = std::move(job->envelope);
        result.body = std::move(job->body);
        result.job = std::move(job);
        context_.report(std::move(result));
    }
}

}  // namespace posthorn::delivery
