#include "spool/memory.hpp"

#include <algorithm>
#include <condition_variable>

namespace posthorn::spool {

namespace {

class StringBody final : public Body {
public:
    explicit StringBody(std::string bytes) : bytes_(std::move(bytes)) {}
    std::uint64_t size() const override { return bytes_.size(); }
    std::optional<std::string_view> memory() const override { return bytes_; }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
        if (offset >= bytes_.size()) return 0;
        return bytes_.copy(into.data(), into.size(), offset);
    }

private:
    std::string bytes_;
};

class StringIntake final : public Intake {
public:
    bool append(std::string_view bytes) override {
        bytes_ += bytes;
        return false;
    }
    net::Task<base::Result<void>> flush() override { co_return base::Result<void>{}; }
    std::uint64_t size() const override { return bytes_.size(); }
    const std::optional<base::Error>& error() const override { return error_; }
    std::string take() { return std::move(bytes_); }

private:
    std::string bytes_;
    std::optional<base::Error> error_;
};

QueuedMessage summary(const StoredMessage& stored, bool fresh) {
    QueuedMessage queued = queued_message(stored);
    if (fresh) {
        queued.envelope = std::make_shared<const mail::Envelope>(stored.envelope);
        queued.body = stored.body;
    }
    return queued;
}

}  // namespace

struct MemoryQueue::State {
    explicit State(net::LoopGroup& l) : loops(l) {}

    struct Entry {
        StoredMessage stored;
        bool done = false;
    };

    net::LoopGroup& loops;
    mutable std::mutex mutex;
    std::condition_variable changed;
    std::map<base::Ulid, Entry> messages;
    std::vector<QueueOwner*> owners;
    std::uint64_t epoch = 0;  // of attach(): what was posted for former owners is dropped
    std::size_t failing_records = 0;
    std::map<std::size_t, std::optional<base::Ulid>> in_hand;
    std::map<std::size_t, std::set<base::Ulid>> were_in_hand;
    bool holding = false;
    bool forgetful = false;
    std::vector<net::Callback> held;  // what record() would have done
    std::optional<base::Error> commit_error;
    QueueStats stats;
    std::size_t records = 0;
    bool stopped = false;

    std::size_t shard_of(const base::Ulid& id) const { return std::hash<base::Ulid>{}(id) % loops.size(); }
};

namespace {

// With the lock held. The owner hears of it on its loop.
template <class State>
void announce(const std::shared_ptr<State>& state, const StoredMessage& stored, bool fresh) {
    if (state->owners.empty()) return;
    const std::size_t shard = state->shard_of(stored.envelope.id);
    state->loops.at(shard).post([state, shard, epoch = state->epoch, queued = summary(stored, fresh)]() mutable {
        QueueOwner* owner = nullptr;
        {
            const std::lock_guard lock(state->mutex);
            if (epoch != state->epoch) return;
            owner = state->owners.at(shard);
        }
        owner->on_message(std::move(queued));
    });
}

template <class State>
void add(const std::shared_ptr<State>& state, mail::Envelope envelope, std::string body) {
    if (state->messages.contains(envelope.id)) return;  // an id that is known is ignored
    auto& entry = state->messages[envelope.id];
    envelope.body_size = body.size();
    entry.stored.recipients.resize(envelope.recipients.size());
    entry.stored.envelope = std::move(envelope);
    entry.stored.body = std::make_shared<StringBody>(std::move(body));
    ++state->stats.accepted;
    if (!state->forgetful) announce(state, entry.stored, true);
    state->changed.notify_all();
}

template <class State>
void merge_change(const std::shared_ptr<State>& state, StateChange& change) {
    auto& entry = state->messages.at(change.id);
    for (RecipientUpdate& update : change.recipients) {
        entry.stored.recipients.at(update.index) = std::move(update.state);
    }
    if (change.frozen) entry.stored.frozen = *change.frozen;
    for (StateChange::Birth& birth : change.births) {
        std::string body = std::move(birth.body_prefix);
        if (birth.middle) body += birth.middle->memory()->substr(0, birth.middle_size);
        body += birth.body_suffix;
        add(state, std::move(birth.envelope), std::move(body));
    }
    if (change.done) {
        entry.done = true;
        ++state->stats.finished;
    }
    ++state->records;
}

}  // namespace

MemoryQueue::MemoryQueue(net::LoopGroup& loops) : state_(std::make_shared<State>(loops)) {}
MemoryQueue::~MemoryQueue() { detach(); }

base::Result<std::unique_ptr<Intake>> MemoryQueue::begin(net::Loop&, std::uint64_t) {
    const std::lock_guard lock(state_->mutex);
    if (state_->commit_error) return std::unexpected(*state_->commit_error);
    return std::make_unique<StringIntake>();
}

net::Task<base::Result<void>> MemoryQueue::commit(net::Loop& loop, mail::Envelope envelope,
                                                  std::unique_ptr<Intake> body) {
    std::string bytes = dynamic_cast<StringIntake&>(*body).take();
    base::Result<void> result = put(std::move(envelope), std::move(bytes));
    co_await net::yield(loop);
    co_return result;
}

base::Result<void> MemoryQueue::put(mail::Envelope envelope, std::string body) {
    const std::lock_guard lock(state_->mutex);
    if (state_->commit_error) return std::unexpected(*state_->commit_error);
    if (state_->stopped) return base::fail(base::ErrorKind::temporary, "the queue has stopped", "4.3.2");
    add(state_, std::move(envelope), std::move(body));
    return {};
}

void MemoryQueue::record(StateChange change, Recorded done) {
    {
        const std::lock_guard lock(state_->mutex);
        if (state_->holding) {
            auto later = [this, change = std::move(change), done = std::move(done)]() mutable {
                record(std::move(change), std::move(done));
            };
            state_->held.emplace_back(std::move(later));
            return;
        }
    }
    base::Result<void> result;
    const std::size_t shard = shard_of(change.id);
    {
        const std::lock_guard lock(state_->mutex);
        if (state_->failing_records > 0) {
            --state_->failing_records;
            result = base::fail(base::ErrorKind::temporary, "record refused by the test", "4.3.0");
        } else if (const auto at = state_->messages.find(change.id);
                   at == state_->messages.end() || at->second.done) {
            result =
                base::fail(base::ErrorKind::permanent, "no message " + change.id.to_string() + " in the queue");
        } else {
            merge_change(state_, change);
        }
    }
    state_->changed.notify_all();
    state_->loops.at(shard).post([state = state_, epoch = state_->epoch, done = std::move(done), result]() mutable {
        if (epoch == state->epoch) done(std::move(result));
    });
}

net::Task<base::Result<StoredMessage>> MemoryQueue::load(net::Loop& loop, base::Ulid id) {
    co_await net::yield(loop);
    const std::lock_guard lock(state_->mutex);
    const auto at = state_->messages.find(id);
    if (at == state_->messages.end() || at->second.done) {
        co_return base::fail(base::ErrorKind::permanent, "no message " + id.to_string() + " in the queue");
    }
    co_return at->second.stored;
}

std::size_t MemoryQueue::shard_of(const base::Ulid& id) const { return state_->shard_of(id); }

MemoryQueue::Walked MemoryQueue::walk(std::uint64_t from, std::size_t places) const {
    Walked walked;
    const std::lock_guard lock(state_->mutex);
    const auto& all = state_->messages;
    const auto end = std::min<std::uint64_t>(all.size(), from + places);
    auto at = std::next(all.begin(), static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(from, all.size())));
    for (; from < end; ++from, ++at) {
        if (!at->second.done) walked.ids.push_back(at->first);
    }
    if (end < all.size()) walked.next = end;
    return walked;
}

bool MemoryQueue::knows(const base::Ulid& id) const {
    const std::lock_guard lock(state_->mutex);
    const auto at = state_->messages.find(id);
    return at != state_->messages.end() && !at->second.done;
}

void MemoryQueue::attach(std::vector<QueueOwner*> owners) {
    const std::lock_guard lock(state_->mutex);
    state_->owners = std::move(owners);
    ++state_->epoch;
    state_->stopped = false;
    for (const auto& [id, entry] : state_->messages) {
        if (!entry.done) announce(state_, entry.stored, false);
    }
}

void MemoryQueue::detach() {
    const std::lock_guard lock(state_->mutex);
    state_->owners.clear();
    state_->held.clear();
    ++state_->epoch;
}

void MemoryQueue::set_in_hand(std::size_t loop_index, std::optional<base::Ulid> id) {
    const std::lock_guard lock(state_->mutex);
    state_->in_hand[loop_index] = id;
    if (id) state_->were_in_hand[loop_index].insert(*id);
}

std::optional<base::Ulid> MemoryQueue::in_hand(std::size_t loop_index) const {
    const std::lock_guard lock(state_->mutex);
    return state_->in_hand[loop_index];
}

std::set<base::Ulid> MemoryQueue::were_in_hand(std::size_t loop_index) const {
    const std::lock_guard lock(state_->mutex);
    return state_->were_in_hand[loop_index];
}

QueueStats MemoryQueue::stats() const {
    const std::lock_guard lock(state_->mutex);
    QueueStats stats = state_->stats;
    for (const auto& [id, entry] : state_->messages) {
        if (entry.done) continue;
        ++stats.messages;
        stats.bytes += entry.stored.body->size();
    }
    return stats;
}

base::Result<void> MemoryQueue::probe() { return {}; }

void MemoryQueue::stop() {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
}

void MemoryQueue::fail_records(std::size_t next) {
    const std::lock_guard lock(state_->mutex);
    state_->failing_records = next;
}

void MemoryQueue::hold_records(bool hold) {
    std::vector<net::Callback> held;
    {
        const std::lock_guard lock(state_->mutex);
        state_->holding = hold;
        if (!hold) held.swap(state_->held);
    }
    for (net::Callback& later : held) later();
}

void MemoryQueue::forget_to_tell(bool forget) {
    const std::lock_guard lock(state_->mutex);
    state_->forgetful = forget;
}

void MemoryQueue::lose(const base::Ulid& id) {
    const std::lock_guard lock(state_->mutex);
    state_->messages.erase(id);
}

void MemoryQueue::fail_commits(std::optional<base::Error> with) {
    const std::lock_guard lock(state_->mutex);
    state_->commit_error = std::move(with);
}

bool MemoryQueue::wait_for_count(std::size_t messages, base::Duration limit) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, limit, [&] { return state_->stats.accepted >= messages; });
}

std::vector<base::Ulid> MemoryQueue::ids() const {
    const std::lock_guard lock(state_->mutex);
    std::vector<base::Ulid> out;
    for (const auto& [id, entry] : state_->messages) {
        if (!entry.done) out.push_back(id);
    }
    return out;
}

std::optional<StoredMessage> MemoryQueue::get(const base::Ulid& id) const {
    const std::lock_guard lock(state_->mutex);
    const auto at = state_->messages.find(id);
    if (at == state_->messages.end()) return std::nullopt;
    return at->second.stored;
}

std::string MemoryQueue::body(const base::Ulid& id) const {
    const auto stored = get(id);
    return stored ? std::string(*stored->body->memory()) : std::string();
}

std::size_t MemoryQueue::records() const {
    const std::lock_guard lock(state_->mutex);
    return state_->records;
}

}  // namespace posthorn::spool
