#include "delivery/local_agent.hpp"

#include <algorithm>
#include <span>

#include "base/log.hpp"
#include "net/pool.hpp"

namespace posthorn::delivery {

namespace {

using Kind = mail::Outcome::Kind;

// What an error of the store means for the recipient.
mail::Outcome failure(const base::Error& error, bool bounce_over_quota) {
    mail::Outcome outcome;
    if (store::is_over_quota(error)) {
        outcome.kind = bounce_over_quota ? Kind::permanent : Kind::temporary;
        outcome.code = bounce_over_quota ? 552 : 452;
        outcome.status = bounce_over_quota ? "5.2.2" : "4.2.2";
        outcome.text = "This mailbox is full";
        return outcome;
    }
    outcome.code = 451;
    outcome.status = error.status.starts_with('4') ? error.status : "4.3.0";
    outcome.text = "The mailbox cannot take it just now";
    return outcome;
}

// What is read of a message before anything is decided: where it has been, and what its readers are shown of it.
struct Look {
    DeliveredTo passed;
    std::shared_ptr<LocalSummary> summary;
};

// Up to this many octets it costs a loop less than handing it to a pool would.
constexpr std::uint64_t kAtOnce = 16 << 10;

base::Result<Look> look_at(const store::Source& text) {
    std::string start(std::min<std::uint64_t>(text.size(), mail::kMaxReturnedHeader), '\0');
    std::size_t have = 0;
    while (have < start.size()) {
        const auto got = text.read_at(have, std::span<char>(start).subspan(have));
        if (!got) return std::unexpected(got.error());
        if (*got == 0) break;
        have += *got;
    }
    start.resize(have);
    auto summary = summarise(text);
    if (!summary) return std::unexpected(summary.error());
    return Look{delivered_to(start), *std::move(summary)};
}

// Who hears of what goes wrong behind an alias, as lists have had it since sendmail.
mail::Address owner_of(mail::Address alias) {
    alias.local = "owner-" + alias.local;
    return alias;
}

// Where mail with a tag goes (user+tag@): the store takes INBOX where there is no such mailbox.
std::string mailbox_for(const std::string& tag, const LocalConfig& config) {
    constexpr std::string_view kInbox = "INBOX";
    if (tag.empty() || !config.tag_mailboxes) return std::string(kInbox);
    return store::mailbox_name(tag).value_or(std::string(kInbox));
}

}  // namespace

// One coroutine that does pieces one after the other; counted while its frame lives, however that ends.
class LocalAgent::Lane {
public:
    explicit Lane(std::shared_ptr<LocalAgent> agent) : agent_(std::move(agent)) {}
    ~Lane() { --agent_->lanes_; }
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

private:
    std::shared_ptr<LocalAgent> agent_;
};

LocalAgent::LocalAgent(std::shared_ptr<LoopContext> context) : context_(std::move(context)) {}

void LocalAgent::submit(JobPtr job, const RoutePtr&) {
    if (stopped_) return give_back(std::move(job));
    const std::uint64_t cost = warm_cost(*job);
    if (context_->warm_bytes + cost > kWarmBytes) {
        job->envelope.reset();
        job->body.reset();
    } else {
        context_->warm_bytes += cost;
    }
    waiting_.push_back(std::move(job));
    pump();
}

void LocalAgent::renew() {
    std::deque<JobPtr> waiting;
    waiting.swap(waiting_);
    for (JobPtr& job : waiting) {
        cool(*job);
        if (job->start()) give_back(std::move(job));
    }
}

void LocalAgent::stop() {
    stopped_ = true;
    for (const JobPtr& job : waiting_) cool(*job);
    waiting_.clear();
    for (const WorkPtr& work : std::exchange(open_, {})) {
        work->drop_pieces();
        end_if_complete(work);
    }
}

void LocalAgent::collect(std::vector<DestinationStats>& into) const {
    if (!waiting_.empty() || in_hand_ > 0) collect_all(into, {});
}

void LocalAgent::collect_all(std::vector<DestinationStats>& into, const std::string& key) const {
    if (!key.empty() && key != policy::kLocalKey) return;
    // Where nobody is local this is no place that mail goes to.
    if (waiting_.empty() && in_hand_ == 0 && context_->shared->deps.directory->local_domains().empty()) return;
    DestinationStats stats;
    stats.key = policy::kLocalKey;
    stats.next_hop = "the store";
    stats.waiting = waiting_.size();
    stats.in_flight = in_hand_;
    stats.connections = lanes_;
    stats.max_connections = context_->settings->config.local.parallel;
    if (!waiting_.empty() && lanes_ >= stats.max_connections) stats.why = Hold::concurrency;
    stats.last_error = last_error_;
    stats.reached = true;
    into.push_back(std::move(stats));
}

// It waits no more, or without what it kept in memory.
void LocalAgent::cool(const Job& job) { context_->warm_bytes -= std::min(context_->warm_bytes, warm_cost(job)); }

bool LocalAgent::startable() const { return !stopped_ && (!open_.empty() || !waiting_.empty()); }

// One more lane where there is work for it; each opens the next once it has taken its piece.
void LocalAgent::pump() {
    if (!startable() || lanes_ >= context_->settings->config.local.parallel) return;
    ++lanes_;
    net::spawn(context_->loop, "delivery.local", run(shared_from_this()));
}

net::Task<> LocalAgent::run(std::shared_ptr<LocalAgent> self) {
    const Lane lane(self);
    while (self->startable()) {
        const bool done = co_await self->one_piece();
        if (!done) break;
    }
}

net::Task<bool> LocalAgent::one_piece() {
    if (!open_.empty()) {
        const WorkPtr work = open_.front();
        const bool stores = work->next_mailbox < work->mailboxes.size();
        const std::size_t at = stores ? work->next_mailbox++ : work->next_recipient++;
        if (!work->has_piece()) open_.pop_front();
        ++work->in_hand;
        pump();
        std::string trouble;
        try {
            if (stores)
                co_await store(work, at);
            else
                co_await find(work, at);
        } catch (const std::exception& e) {
            trouble = e.what();
        }
        --work->in_hand;
        if (!trouble.empty()) fail_internally(*work, stores, at, trouble);
        end_if_complete(work);
        co_return true;
    }
    JobPtr job = take();
    if (!job) co_return false;
    pump();
    co_await begin(std::move(job));
    co_return true;
}

// A broken invariant of ours: the job must not be lost with the lane that met it.
void LocalAgent::fail_internally(LocalWork& work, bool stores, std::size_t at, const std::string& trouble) {
    base::log::error("delivery.exception", {{"message_id", work.job->id.to_string()}, {"msg", trouble}});
    const auto error = base::fail(base::ErrorKind::internal, trouble, "4.3.0");
    if (!stores) return work.found(at, error, context_->loop.clock().wall());
    work.mailboxes[at].outcome = failure(error.error(), false);
    work.mailboxes[at].settled = true;
}

JobPtr LocalAgent::take() {
    while (!waiting_.empty()) {
        JobPtr job = std::move(waiting_.front());
        waiting_.pop_front();
        cool(*job);
        if (job->start()) return job;
    }
    return nullptr;
}

void LocalAgent::give_back(JobPtr job) {
    job->state = Job::State::finished;
    JobResult result;
    result.attempted = false;
    result.envelope = std::move(job->envelope);
    result.body = std::move(job->body);
    result.job = std::move(job);
    context_->report(std::move(result));
}

net::Task<> LocalAgent::begin(JobPtr job) {
    const WorkPtr work = std::make_shared<LocalWork>(std::move(job));
    work->active = std::make_shared<Active>(context_->shared);
    work->started = context_->loop.clock().wall();
    work->began = context_->loop.now();
    work->job->stage = Hold::in_flight;
    ++in_hand_;
    base::Result<void> read;
    try {
        read = co_await fetch(work);
    } catch (const std::exception& e) {
        read = base::fail(base::ErrorKind::internal, e.what(), "4.3.0");
    }
    if (!read) {
        base::log::error("delivery.unreadable",
                         {{"message_id", work->job->id.to_string()}, {"msg", read.error().log_text}});
        last_error_ = read.error().log_text;
        for (std::size_t at = 0; at < work->plans.size(); ++at)
            work->found(at, std::unexpected(read.error()), context_->loop.clock().wall());
        work->drop_pieces();
    } else if (stopped_) {
        work->drop_pieces();
    }
    if (work->has_piece()) {
        open_.push_back(work);
        pump();
    } else {
        end_if_complete(work);
    }
}

// The message, if it waited without it, and what has to be known of it.
net::Task<base::Result<void>> LocalAgent::fetch(WorkPtr work) {
    Job& job = *work->job;
    if (!job.envelope) {
        auto loaded = co_await context_->shared->deps.queue.load(context_->loop, job.id);
        if (!loaded) co_return std::unexpected(loaded.error());
        job.envelope = std::make_shared<const mail::Envelope>(std::move(loaded->envelope));
        job.body = std::move(loaded->body);
    }
    work->trail = begin_trail(*job.envelope, *context_->random, context_->loop);
    work->text = stored_text(job.envelope, job.body);
    base::Result<Look> look;
    if (job.body->memory() && job.body->size() <= kAtOnce) {
        look = look_at(*work->text);
    } else {
        auto read = [text = work->text] { return look_at(*text); };
        look = co_await net::offload(context_->loop, context_->shared->deps.disk, std::move(read));
    }
    if (!look) co_return std::unexpected(look.error());
    work->passed = std::move(look->passed);
    work->summary = std::move(look->summary);
    co_return base::Result<void>{};
}

net::Task<> LocalAgent::find(WorkPtr work, std::size_t at) {
    auto& directory = *context_->shared->deps.directory;
    base::Result<Expansion> expansion =
        co_await expand(context_->loop, directory, work->recipient(at).address, work->passed);
    if (!expansion) last_error_ = expansion.error().log_text;
    if (expansion && expansion->alias && !expansion->remote.empty() &&
        context_->settings->config.local.owner_sends) {
        const auto owner = owner_of(work->recipient(at).address);
        const base::Result<auth::Resolution> known = co_await directory.resolve(context_->loop, owner);
        if (!known)
            expansion = std::unexpected(known.error());
        else if (!known->catch_all &&
                 (known->kind == auth::Resolution::Kind::account || known->kind == auth::Resolution::Kind::alias))
            work->plans[at].owner = owner;
    }
    const bool listed = work->has_piece();
    if (stopped_) work->drop_pieces();
    work->found(at, std::move(expansion), context_->loop.clock().wall());
    if (!listed && work->has_piece()) open_.push_back(work);
    pump();
}

net::Task<> LocalAgent::store(WorkPtr work, std::size_t at) {
    const auto began = context_->loop.now();
    work->mailboxes[at].name = mailbox_for(work->mailboxes[at].tag, context_->settings->config.local);
    store::Delivery wanted = delivery(*work, work->mailboxes[at]);
    mail::AccountName account = work->mailboxes[at].account.name;
    const base::Result<store::Added> result =
        co_await context_->shared->deps.store->deliver(context_->loop, std::move(account), std::move(wanted));
    stored(*work, work->mailboxes[at], result, began);
}

store::Delivery LocalAgent::delivery(const LocalWork& work, const LocalWork::Mailbox& to) const {
    const mail::Envelope& envelope = *work.job->envelope;
    store::Delivery out;
    out.id = envelope.origin == base::Ulid{} ? envelope.id : envelope.origin;
    out.mailbox = to.name;
    out.message.body = work.text;
    out.message.prefix =
        "Return-Path: <" + envelope.reverse_path.to_string() + ">\r\n" + delivered_to_line(to.address);
    out.message.received = envelope.arrival;
    out.message.summary = work.summary->blob(out.message.prefix);
    out.message.thread_keys = work.summary->thread_keys();
    // LMTP has looked at the quota before its 250, which nothing may take back; the room it reserved does not outlive a
    // restart.
    if (!envelope.promised) out.quota = store::Quota{to.account.quota.bytes, to.account.quota.messages};
    return out;
}

void LocalAgent::stored(LocalWork& work, LocalWork::Mailbox& to, const base::Result<store::Added>& result,
                        base::SteadyTime began) {
    const auto now = context_->loop.now();
    const std::string account = to.account.name.text();
    to.settled = true;
    if (result) {
        to.outcome.kind = Kind::delivered;
        to.outcome.code = 250;
        to.outcome.status = "2.0.0";
        to.outcome.text = result->duplicate ? "has it already" : "stored";
    } else {
        to.outcome = failure(result.error(), context_->settings->config.local.bounce_over_quota);
        last_error_ = account + ": " + result.error().log_text;
        if (!store::is_over_quota(result.error()))
            base::log::warning(
                "delivery.store_failed",
                {{"message_id", work.job->id.to_string()}, {"account", account}, {"msg", result.error().log_text}});
    }
    add_store(work.trail, began, now, account, to.outcome);
}

void LocalAgent::end_if_complete(const WorkPtr& work) {
    if (!work->complete() || !work->job) return;
    --in_hand_;
    JobResult result;
    result.started = work->started;
    result.transmitting = context_->loop.now() - work->began;
    if (work->text) result.bytes = work->text->size();
    work->conclude(result, context_->loop.clock().wall());
    const JobPtr job = std::exchange(work->job, nullptr);
    end_trail(work->trail, context_->loop.now(), result.recipients);
    result.trail = std::move(work->trail);
    result.active = std::move(work->active);
    job->state = Job::State::finished;
    result.envelope = std::move(job->envelope);
    result.body = std::move(job->body);
    result.job = job;
    context_->report(std::move(result));
}

}  // namespace posthorn::delivery
