#include "tests/simulation/sim_queue.hpp"

#include <algorithm>
#include <utility>

namespace posthorn::simulation {

using spool::StateChange;
using spool::StoredMessage;

namespace {

// The simulation has no sessions: messages come by put().
std::unexpected<base::Error> no_sessions() {
    return base::fail(base::ErrorKind::internal, "nobody receives in the simulation");
}

std::string whole_body(const StateChange::Birth& birth) {
    std::string body = birth.body_prefix;
    if (birth.middle) {
        std::string middle(birth.middle_size, '\0');
        const auto got = birth.middle->read_at(0, std::span<char>(middle));
        middle.resize(got ? *got : 0);
        body += middle;
    }
    return body + birth.body_suffix;
}

}  // namespace

SimQueue::SimQueue(net::SimLoops& loops, Store& store, Ledger& ledger, Trace& trace, base::Duration latency)
    : loops_(loops), store_(store), ledger_(ledger), trace_(trace), latency_(latency) {}

SimQueue::~SimQueue() = default;

base::Result<std::unique_ptr<spool::Intake>> SimQueue::begin(net::Loop&, std::uint64_t) { return no_sessions(); }

net::Task<base::Result<void>> SimQueue::commit(net::Loop&, mail::Envelope, std::unique_ptr<spool::Intake>) {
    co_return no_sessions();
}

std::size_t SimQueue::shard_of(const base::Ulid& id) const { return std::hash<base::Ulid>{}(id) % loops_.size(); }

void SimQueue::put(mail::Envelope envelope, std::string body) {
    ledger_.writing(envelope, body);
    enqueue({NewMessage{std::move(envelope), std::move(body)}, {}});
}

void SimQueue::record(StateChange change, Recorded done) {
    for (auto& birth : change.births) {
        birth.body_prefix = whole_body(birth);
        birth.middle = nullptr;
        birth.body_suffix.clear();
        birth.envelope.body_size = birth.body_prefix.size();
    }
    enqueue({std::move(change), std::move(done)});
}

void SimQueue::enqueue(Entry entry) {
    waiting_.push_back(std::move(entry));
    if (std::exchange(armed_, true)) return;
    // Not call_after(): whoever records is on a loop of its own.
    loops_.at(0).post([this] { loops_.at(0).call_after(latency_, [this] { round(); }); });
}

void SimQueue::round() {
    armed_ = false;
    trace_.at(loops_.clock().wall());
    std::deque<Entry> entries;
    entries.swap(waiting_);
    std::vector<Write> writes;
    for (Entry& entry : entries) writes.push_back(std::move(entry.write));
    for (const Write& write : writes) {
        const auto* change = std::get_if<StateChange>(&write);
        if (!change) continue;
        for (const auto& birth : change->births) ledger_.writing(birth.envelope, birth.body_prefix, change->id);
        ledger_.changing(*change);
    }
    const auto written = store_.write(writes);
    for (std::size_t i = 0; i < writes.size(); ++i) {
        const auto* change = std::get_if<StateChange>(&writes[i]);
        const auto& result = written[i].result;
        if (!result) trace_.note("round: {}", result.error().log_text);
        if (result && change) {
            ledger_.changed(*change, written[i].born);
            for (const base::Ulid& id : written[i].born) announce(id, true);
        } else if (result) {
            const base::Ulid& id = std::get<NewMessage>(writes[i]).envelope.id;
            ledger_.committed(id);
            announce(id, true);
        }
        if (!entries[i].done) continue;
        loops_.at(shard_of(change->id)).post([done = std::move(entries[i].done), result]() mutable {
            done(std::move(result));
        });
    }
    if (++rounds_ % 16 == 0) store_.housekeeping();
}

std::vector<Write> SimQueue::take_unwritten() {
    std::vector<Write> writes;
    for (Entry& entry : waiting_) {
        if (const auto* change = std::get_if<StateChange>(&entry.write)) {
            for (const auto& birth : change->births) ledger_.writing(birth.envelope, birth.body_prefix, change->id);
            ledger_.changing(*change);
        }
        writes.push_back(std::move(entry.write));
    }
    waiting_.clear();
    return writes;
}

net::Task<base::Result<StoredMessage>> SimQueue::load(net::Loop& loop, base::Ulid id) {
    co_await net::sleep_until(loop, loop.now() + latency_);
    if (dice_ && dice_->chance(load_failures_)) {
        co_return base::fail(base::ErrorKind::temporary, "the disk cannot be read", "4.3.0");
    }
    co_return store_.load(id);
}

spool::QueuedMessage SimQueue::summary(const StoredMessage& stored, bool fresh) {
    auto queued = spool::queued_message(stored);
    if (fresh) {
        queued.envelope = std::make_shared<const mail::Envelope>(stored.envelope);
        queued.body = stored.body;
    }
    return queued;
}

void SimQueue::announce(const base::Ulid& id, bool fresh) {
    if (owners_.empty()) return;
    auto stored = store_.load(id);
    if (!stored) return ledger_.violate("cannot be read: " + id.to_string() + ": " + stored.error().log_text);
    const std::size_t shard = shard_of(id);
    loops_.at(shard).post([owner = owners_.at(shard), queued = summary(*stored, fresh)]() mutable {
        owner->on_message(std::move(queued));
    });
}

SimQueue::Walked SimQueue::walk(std::uint64_t from, std::size_t places) const {
    const auto all = store_.ids();
    Walked walked;
    const auto end = std::min<std::uint64_t>(all.size(), from + places);
    for (; from < end; ++from) walked.ids.push_back(all[from]);
    if (end < all.size()) walked.next = end;
    return walked;
}

bool SimQueue::knows(const base::Ulid& id) const {
    const auto all = store_.ids();
    return std::ranges::find(all, id) != all.end();
}

spool::QueueStats SimQueue::stats() const {
    spool::QueueStats stats;
    stats.messages = store_.ids().size();
    return stats;
}

void SimQueue::attach(std::vector<spool::QueueOwner*> owners) {
    owners_ = std::move(owners);
    for (const base::Ulid& id : store_.ids()) announce(id, false);
}

void SimQueue::stop() {
    owners_.clear();
    if (!waiting_.empty()) round();
}

}  // namespace posthorn::simulation
