// The workers of a destination: one connection each, over which jobs go one after the other.
#include <algorithm>

#include "base/log.hpp"
#include "delivery/destination.hpp"

namespace posthorn::delivery {

namespace {

using Kind = mail::Outcome::Kind;

}  // namespace

// One job in one worker's hands.
struct Destination::Attempt {
    JobPtr job;
    Worker* worker = nullptr;
    std::vector<smtp::RecipientResult> results;  // parallel to job->recipients
    std::vector<std::size_t> undecided;          // positions: no host has answered for them yet
    base::WallTime started{};
    base::Duration connecting{};
    base::Duration transmitting{};
    std::uint64_t bytes = 0;
    std::vector<std::string> dialogue;  // with the host that was asked last
    TrailPtr trail;                     // null: not traced
    bool transacted = false;            // a MAIL went out for it
    bool unfit = false;                 // a host was reached that cannot take it
    bool paid = false;                  // took its first token
    std::shared_ptr<void> active;       // from the first MAIL on
};

// A worker is known to its destination while its frame lives, however that ends.
class Destination::Membership {
public:
    Membership(std::shared_ptr<Destination> destination, Worker& worker)
        : destination_(std::move(destination)), worker_(worker) {
        destination_->workers_.push_back(&worker_);
    }
    ~Membership() {
        destination_->opened(worker_);
        destination_->set_held(worker_, false);
        std::erase(destination_->workers_, &worker_);
        std::erase(destination_->idle_, &worker_);
    }
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

private:
    std::shared_ptr<Destination> destination_;
    Worker& worker_;
};

net::Task<> Destination::work(std::shared_ptr<Destination> self) {
    {
        Worker worker(self->context_.loop);
        const Membership member(self, worker);
        while (true) {
            JobPtr job = self->take();
            if (job) {
                co_await self->attempt(&worker, std::move(job));
                self->opened(worker);
                if (worker.connection) continue;
                break;
            }
            self->opened(worker);
            if (self->stopped_ || !self->usable(worker)) break;
            worker.woken = false;
            self->idle_.push_back(&worker);
            self->pump();  // a token, not work, may be what is missing
            const auto until = self->context_.loop.now() + self->context_.settings->config.connection_idle;
            if (!worker.woken) co_await worker.event.wait(until);
            if (worker.woken) continue;
            std::erase(self->idle_, &worker);
            break;
        }
        co_await self->last_recorded(&worker);
        co_await self->part(&worker);
    }
    self->pump();
}

// A worker stays, and keeps its place among the connections, until the outcome of its last message is durable.
net::Task<> Destination::last_recorded(Worker* worker) {
    if (!worker->held) {
        const auto until = context_.loop.now() + kRecordPatience;
        const bool passed = co_await worker->gate.pass(until);
        if (passed || stopped_) co_return;
        set_held(*worker, true);
    }
    while (!stopped_ && !worker->gate.open()) co_await worker->gate.pass(std::nullopt);
}

bool Destination::usable(Worker& worker) {
    if (!worker.connection) return false;
    return worker.generation == generation_ && worker.connection->reusable() &&
           worker.connection->messages() < context_.settings->config.connection_transactions;
}

void Destination::drop_connection(Worker& worker) {
    if (!worker.connection) return;
    --connected_;
    context_.shared->metrics.connections.add(-1);
    worker.connection.reset();
}

// With QUIT. A host counts the connection until it has answered, so the worker keeps its place as long.
net::Task<> Destination::part(Worker* worker) {
    if (!worker->connection) co_return;
    --connected_;
    if (worker->connection->reusable()) co_await worker->connection->close();
    context_.shared->metrics.connections.add(-1);
    worker->connection.reset();
}

net::Task<> Destination::attempt(Worker* worker, JobPtr job) {
    Attempt a;
    a.job = std::move(job);
    a.worker = worker;
    ++in_flight_;
    ++unpaid_;
    std::string trouble;
    try {
        co_await run(worker, &a);
    } catch (const std::exception& e) {
        trouble = e.what();
    }
    if (a.job) fail_internally(a, trouble);
    --in_flight_;
    if (!a.paid) --unpaid_;
}

net::Task<> Destination::run(Worker* worker, Attempt* attempt) {
    Attempt& a = *attempt;
    a.results.resize(a.job->recipients.size());
    for (std::size_t i = 0; i < a.results.size(); ++i) a.undecided.push_back(i);
    a.started = context_.loop.clock().wall();
    const bool fetched = co_await fetch(attempt);
    if (!fetched) {
        finish(a);
        co_return;
    }
    a.trail = begin_trail(*a.job->envelope, *context_.random, context_.loop);
    if (usable(*worker)) {
        const Sent sent = co_await transact(worker, attempt);
        if (concludes(*worker, a, sent)) co_return;
    } else if (worker->connection) {
        const auto until = context_.loop.now() + kRecordPatience;
        co_await worker->gate.pass(until);
    }
    co_await part(worker);
    co_await reach(worker, attempt);
}

// A broken invariant of ours: the job must not be lost with the worker that met it.
void Destination::fail_internally(Attempt& a, const std::string& trouble) {
    base::log::error("delivery.exception", {{"message_id", a.job->id.to_string()}, {"msg", trouble}});
    mail::Outcome why;
    why.status = "4.3.0";
    why.text = "Internal error while sending";
    why.at = context_.loop.clock().wall();
    for (auto& result : a.results) {
        if (result.outcome.kind != Kind::delivered)
            result = smtp::RecipientResult{why, smtp::FailureScope::message};
    }
    finish(a);
}

// Reads the message back when the job waited without it.
net::Task<bool> Destination::fetch(Attempt* a) {
    if (a->job->envelope) co_return true;
    auto loaded = co_await context_.shared->deps.queue.load(context_.loop, a->job->id);
    if (loaded) {
        a->job->envelope = std::make_shared<const mail::Envelope>(std::move(loaded->envelope));
        a->job->body = std::move(loaded->body);
        co_return true;
    }
    mail::Outcome why;
    why.status = "4.3.0";
    why.text = "The message could not be read from the queue: " + loaded.error().log_text;
    why.at = a->started;
    for (auto& result : a->results) result = smtp::RecipientResult{why, smtp::FailureScope::message};
    co_return false;
}

// Opens a connection to one address after the other until one has answered for every recipient.
net::Task<> Destination::reach(Worker* worker, Attempt* a) {
    a->job->stage = Hold::dns;
    auto config = std::shared_ptr<const Config>(context_.settings, &context_.settings->config);
    const auto asked = context_.loop.now();
    NextHops hops = co_await find_next_hops(context_.loop, context_.shared->deps.resolver, *context_.random, route_,
                                            std::move(config));
    add_lookup(a->trail, asked, context_.loop.now(), hops);
    mail::Outcome last;
    // What was lost over a connection that stood says nothing for good.
    bool permanent = !hops.unsettled && !a->transacted;
    if (a->transacted) last = a->results[a->undecided.front()].outcome;
    if (hops.failure) {
        last = *hops.failure;
        permanent = last.kind == Kind::permanent;
    }
    context_.addresses.sort(hops.targets, context_.loop.now());
    for (const Target& target : hops.targets) {
        if (stopped_) {
            permanent = false;
            break;
        }
        a->job->stage = Hold::connecting;
        const std::uint64_t generation = generation_;
        const auto began = context_.loop.now();
        OpenResult open =
            co_await Connection::open(context_.loop, client_context(), client_target(target), worker->opening_ends);
        a->connecting += open.elapsed;
        add_connection(a->trail, began, open, target);
        if (!open.dialogue.empty()) a->dialogue = std::move(open.dialogue);
        if (!open.connection) {
            context_.addresses.failed(target.endpoint, context_.loop.now());
            permanent = permanent && open.failure.kind == Kind::permanent;
            // A temporary failure weighs more than a permanent one: it is what the sender should hear of.
            if (last.status.empty() || open.failure.kind == Kind::temporary || permanent) last = open.failure;
            continue;
        }
        context_.addresses.worked(target.endpoint);
        worker->connection = std::move(open.connection);
        worker->generation = generation;
        opened(*worker);
        last_tls_ = worker->connection->tls();
        reached_ = true;
        ++connected_;
        context_.shared->metrics.connections.add(1);
        const Sent sent = co_await transact(worker, a);
        if (concludes(*worker, *a, sent)) co_return;
        weigh(*a, last, permanent);
        co_await part(worker);
    }
    if (stopped_ && !a->transacted) {
        give_back(std::move(a->job));
        co_return;
    }
    const bool unfit = permanent && a->unfit;  // whoever can be reached lacks what they need
    // A smarthost that turns us away (a wrong password ...) is our trouble, not the recipient's.
    if (route_->smarthost) permanent = false;
    last.kind = permanent ? Kind::permanent : Kind::temporary;
    if (!permanent && last.status.starts_with('5')) last.status.front() = '4';
    not_reached(*a, std::move(last), unfit);
}

// What a host that was reached and decided nothing means for the attempt: one that may do better next time leaves hope,
// and its failure is what the sender should hear of.
void Destination::weigh(const Attempt& a, mail::Outcome& last, bool& permanent) {
    const auto hope = std::ranges::find_if(
        a.undecided, [&](std::size_t i) { return a.results[i].scope == smtp::FailureScope::session; });
    if (hope != a.undecided.end()) {
        permanent = false;
        last = a.results[*hope].outcome;
    } else if (permanent || last.status.empty()) {
        last = a.results[a.undecided.front()].outcome;
    }
}

// Whether the attempt is over with this transaction.
bool Destination::concludes(Worker& worker, Attempt& a, Sent sent) {
    switch (sent) {
        case Sent::lost: return false;
        case Sent::done: finish(a); break;
        case Sent::no_token: put_back(std::move(a.job)); break;
        case Sent::withheld:  // no attempt, and no fault of the host
            drop_connection(worker);
            put_back(std::move(a.job));
            if (!stopped_) set_held(worker, true);
            break;
    }
    return true;
}

// With `unfit` those fail that no host can take; whatever became of the connections, they have been answered.
void Destination::not_reached(Attempt& a, mail::Outcome why, bool unfit) {
    if (why.status.empty()) why.status = "4.4.1";
    if (why.at == base::WallTime{}) why.at = context_.loop.clock().wall();
    last_error_ = why.text;
    if (connected_ > 0 && !a.transacted && !a.unfit) {
        // Others stand: the host is only tired of connections, whatever code it says so with. This job waits for one
        // of them.
        crowded_until_ = context_.loop.now() + kCrowdedPause;
        put_back(std::move(a.job));
        return;
    }
    for (const std::size_t i : a.undecided) {
        if (!unfit || a.results[i].scope != smtp::FailureScope::host) a.results[i] = smtp::RecipientResult{why};
    }
    const bool alone = why.kind == Kind::temporary && connected_ == 0 && !a.transacted && !a.unfit;
    finish(a);
    if (alone) unreachable(why);
}

// Sends to those that no host has answered for. Takes the token: one MAIL, one token, and nothing between them that
// takes time: the host would see MAIL commands closer together than their tokens were.
net::Task<Destination::Sent> Destination::transact(Worker* worker, Attempt* a) {
    if (!worker->connection->clear()) co_await worker->connection->make_clear();
    while (!stopped_ && !bucket_.take(context_.loop.now())) {
        if (!a->transacted) co_return Sent::no_token;
        a->job->stage = Hold::bucket;
        const auto next = bucket_.next();
        co_await worker->event.wait(next);
    }
    if (stopped_) co_return Sent::lost;
    if (!std::exchange(a->paid, true)) --unpaid_;
    pump();  // with this connection up, further ones may be opened
    if (!a->active) a->active = std::make_shared<Active>(context_.shared);
    a->job->stage = Hold::in_flight;
    context_.shared->metrics.in_flight.add(1);
    SendRequest request;
    request.envelope = a->job->envelope;
    request.body = a->job->body;
    request.another = [this] { return bucket_.take(context_.loop.now()); };
    request.gate = &worker->gate;
    for (const std::size_t i : a->undecided) request.recipients.push_back(a->job->recipients[i]);
    if (a->trail) request.trace = mail::traceparent({a->job->envelope->trace.trace_id, a->trail->span_id});
    const auto began = context_.loop.now();
    TransactionResult result = co_await worker->connection->send(std::move(request));
    context_.shared->metrics.in_flight.add(-1);
    add_transaction(a->trail, began, result, worker->connection->target());
    if (result.transactions == 0) bucket_.give_back();
    if (result.withheld) co_return Sent::withheld;
    a->transacted = a->transacted || result.transactions > 0;
    take_results(*a, std::move(result));
    co_return a->undecided.empty() ? Sent::done : Sent::lost;
}

void Destination::take_results(Attempt& a, TransactionResult result) {
    a.transmitting += result.elapsed;
    a.bytes += result.bytes;
    a.dialogue = std::move(result.dialogue);
    std::vector<std::size_t> undecided;
    const bool taken = std::ranges::any_of(result.recipients, &smtp::RecipientResult::taken);
    for (std::size_t k = 0; k < a.undecided.size(); ++k) {
        const std::size_t i = a.undecided[k];
        a.results[i] = std::move(result.recipients[k]);
        const bool unfit = a.results[i].scope == smtp::FailureScope::host;
        a.unfit = a.unfit || unfit;
        const bool again = unfit || a.results[i].scope == smtp::FailureScope::session;
        if (!again || a.results[i].taken()) continue;
        // What was taken is made durable before anything is tried elsewhere.
        if (taken) {
            a.results[i].one_too_many = true;
            a.results[i].outcome.kind = Kind::temporary;
        } else {
            undecided.push_back(i);
        }
    }
    a.undecided = std::move(undecided);
}

void Destination::finish(Attempt& a) {
    if (a.job->limited) {
        const auto waited = a.started - a.job->entered;
        context_.shared->metrics.rate_limit_delay.observe(std::chrono::duration<double>(waited).count());
    }
    a.job->state = Job::State::finished;
    JobResult result;
    result.recipients = std::move(a.results);
    result.envelope = std::move(a.job->envelope);
    result.body = std::move(a.job->body);
    result.job = std::move(a.job);
    result.started = a.started;
    result.connecting = a.connecting;
    result.transmitting = a.transmitting;
    result.bytes = a.bytes;
    if (!a.dialogue.empty())
        result.dialogue = std::make_shared<const std::vector<std::string>>(std::move(a.dialogue));
    end_trail(a.trail, context_.loop.now(), result.recipients);
    result.trail = std::move(a.trail);
    result.active = std::move(a.active);
    if (std::ranges::any_of(result.recipients, &smtp::RecipientResult::taken))
        result.recorded = a.worker->gate.shut();
    context_.report(std::move(result));
}

SmtpClientContext Destination::client_context() const {
    const Config& config = context_.settings->config;
    SmtpClientContext client;
    client.connector = &context_.shared->deps.connector;
    client.disk = &context_.shared->deps.disk;
    client.queue = &context_.shared->deps.queue;
    client.events = &context_.shared->deps.events;
    client.tls_any = config.tls_unverified;
    client.tls_checked = config.tls_verifying;
    client.hostname = config.hostname;
    client.timeouts = config.timeouts;
    client.eight_bit = config.bounce_eight_bit ? smtp::EightBit::bounce : smtp::EightBit::send;
    client.max_recipients = route_->max_recipients;
    return client;
}

SmtpTarget Destination::client_target(const Target& target) const {
    SmtpTarget t;
    t.endpoint = target.endpoint;
    t.host = target.host;
    t.domain = route_->domain;
    t.tls = route_->tls;
    t.accept_invalid_certs = route_->accept_invalid_certs;
    t.implicit_tls = route_->smarthost && route_->hop.port == 465;
    t.own_node = target.endpoint.unix_path.empty() &&
                 policy::contains(context_.settings->config.trace_peers, target.endpoint.ip);
    t.lmtp = route_->protocol == policy::Protocol::lmtp;
    if (!route_->user.empty()) t.credentials = smtp::Credentials{route_->user, route_->password};
    return t;
}

}  // namespace posthorn::delivery
