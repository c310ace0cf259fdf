#include "spool/impl/log_queue.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"
#include "mail/envelope_codec.hpp"
#include "spool/impl/bodies.hpp"
#include "spool/impl/incoming.hpp"

namespace posthorn::spool {
namespace {

constexpr std::size_t kTellAtOnce = 256;  // recovered messages an owner is told of before other work runs

std::unexpected<base::Error> shutting_down() {
    return base::fail(base::ErrorKind::temporary, "the spool is stopping", "4.3.2", "System is shutting down");
}

// What could not be read back must not be promised.
base::Result<void> fits(const std::string& envelope) {
    if (envelope.size() <= mail::kMaxEnvelopeSize) return {};
    return base::fail(base::ErrorKind::permanent, fmt::format("an envelope of {} octets", envelope.size()), "5.5.3",
                      "Too many recipients");
}

}  // namespace

QueuedMessage queued_message(const mail::Envelope& envelope) {
    QueuedMessage message;
    message.id = envelope.id;
    message.arrival = envelope.arrival;
    message.hold_until = envelope.hold_until;
    message.size = envelope.body_size;
    message.null_sender = envelope.reverse_path.empty();
    for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
        auto& recipient = message.recipients.emplace_back();
        recipient.index = i;
        recipient.domain = mail::domain_key(envelope.recipients[i].address.domain);
    }
    return message;
}

struct LogQueue::Wait {
    explicit Wait(net::Loop& loop) : event(loop) {}
    net::Event event;
    std::optional<base::Result<void>> result;
};

LogQueue::LogQueue(Config config, LogQueuePorts ports)
    : config_(std::move(config)),
      ports_(std::move(ports)),
      files_(std::make_shared<const Files>(ports_.disk, Directories(config_.directory))),
      budget_(std::make_shared<Budget>(config_.memory_budget)),
      room_(std::make_shared<Room>(config_.reserve)),
      waiting_(ports_.loops.size()) {}

LogQueue::~LogQueue() { LogQueue::stop(); }

// ---- in -----------------------------------------------------------------------------------------------------

base::Result<void> LogQueue::ready(std::uint64_t size) const {
    if (stopped_) return shutting_down();
    if (!room_->holds(size)) {
        return base::fail(
            base::ErrorKind::temporary,
            fmt::format("{}: {} octets free, less than the reserve", config_.directory, room_->free()), "4.3.1",
            "Insufficient system storage");
    }
    if (committer_->writable()) return {};
    if (auto low = supply_->trouble(); !low) return low;
    return base::fail(base::ErrorKind::temporary, committer_->trouble(), "4.3.0", "Temporary local problem");
}

// A disk that fails may keep the next segment from being made, too: only a want of space is none of it.
bool LogQueue::broken() const {
    if (committer_->writable()) return false;
    const auto made = supply_->trouble();
    return made || made.error().status != "4.3.1";
}

base::Result<std::unique_ptr<Intake>> LogQueue::begin(net::Loop& loop, std::uint64_t expected_size) {
    if (auto good = ready(expected_size); !good) return std::unexpected(good.error());
    const bool large = expected_size > config_.memory_body;
    return std::make_unique<LogIntake>(loop, IntakePorts{files_, ports_.pool, room_, config_.memory_body}, budget_,
                                       fmt::format("in-{}", names_++), large);
}

// Half of the budget is for sessions: what owners hold in memory until the first attempt takes the other half, and
// beyond it they read from the log, which the page cache holds.
std::shared_ptr<const Body> LogQueue::body_for_owner(std::shared_ptr<const std::string> bytes,
                                                     std::shared_ptr<Share> share, const base::Ulid& id) {
    if (budget_->used() <= budget_->limit() / 2) return memory_body(std::move(bytes), std::move(share));
    if (auto body = log_->inline_body_of(id)) return body;
    return memory_body(std::move(bytes), std::move(share));
}

net::Task<base::Result<void>> LogQueue::commit(net::Loop& loop, mail::Envelope envelope,
                                               std::unique_ptr<Intake> body) {
    auto& intake = static_cast<LogIntake&>(*body);  // begin() made it
    base::Result<void> finished = co_await intake.finish(envelope.id);
    if (!finished) co_return finished;
    envelope.body_size = intake.size();

    MessageOp op;
    op.id = envelope.id;
    op.envelope = mail::encode_envelope(envelope);
    if (auto readable = fits(op.envelope); !readable) co_return readable;
    op.summary = summarize(envelope, envelope.body_size);
    auto file = intake.file();
    if (file != nullptr) {
        op.big_length = file->size();
        op.big_crc = file->crc();
    } else {
        op.body = intake.take_bytes();
    }
    auto message = queued_message(envelope);
    message.envelope = std::make_shared<const mail::Envelope>(std::move(envelope));

    auto wait = std::make_shared<Wait>(loop);
    Request request;
    request.durable = [this, message = std::move(message), file, bytes = op.body, share = intake.share()](
                          Posts& posts, const Op&) mutable {
        if (file != nullptr) {
            file->keep();
            message.body = file_body(file->file(), file->size());
        } else {
            message.body = body_for_owner(std::move(bytes), std::move(share), message.id);
        }
        ++accepted_;
        announce(posts, std::move(message));
    };
    request.op = std::move(op);
    request.loop = &loop;
    request.told = [wait](base::Result<void> result) {
        wait->result = std::move(result);
        wait->event.notify_one();
    };
    committer_->submit(std::move(request));
    while (!wait->result) co_await wait->event.wait();
    co_return *wait->result;
}

base::Result<void> LogQueue::commit_held(mail::Envelope envelope, std::shared_ptr<const std::string> bytes,
                                         std::shared_ptr<BigFile> file) {
    if (auto good = ready(0); !good) return good;
    MessageOp op;
    op.id = envelope.id;
    op.body = bytes;
    if (file != nullptr) {
        if (auto finished = file->finish(envelope.id); !finished) return finished;
        op.big_length = file->size();
        op.big_crc = file->crc();
    }
    envelope.body_size = op.body_length();
    op.envelope = mail::encode_envelope(envelope);
    if (auto readable = fits(op.envelope); !readable) return readable;
    op.summary = summarize(envelope, envelope.body_size);
    auto message = queued_message(envelope);
    message.envelope = std::make_shared<const mail::Envelope>(std::move(envelope));
    std::vector<Op> ops;
    ops.emplace_back(std::move(op));
    auto results = committer_->write_apart(std::move(ops));
    if (!results[0]) return results[0];
    if (file != nullptr) {
        file->keep();
        message.body = file_body(file->file(), file->size());
    } else {
        message.body = memory_body(std::move(bytes));
    }
    ++accepted_;
    const std::lock_guard lock(mutex_);
    held_.emplace(message.id, std::move(message));
    return {};
}

void LogQueue::release(const base::Ulid& id) {
    QueuedMessage message;
    {
        const std::lock_guard lock(mutex_);
        auto at = held_.find(id);
        if (at == held_.end()) return;
        message = std::move(at->second);
        held_.erase(at);
    }
    Posts posts;
    announce(posts, std::move(message));
    posts.send();
}

// ---- owners -------------------------------------------------------------------------------------------------

std::size_t LogQueue::shard_of(const base::Ulid& id) const {
    return std::hash<base::Ulid>{}(id) % ports_.loops.size();
}

LogQueue::Walked LogQueue::walk(std::uint64_t from, std::size_t places) const {
    auto walked = log_->walk(from, places);
    const std::lock_guard lock(mutex_);
    if (!held_.empty()) std::erase_if(walked.ids, [&](const base::Ulid& id) { return held_.contains(id); });
    return walked;
}

void LogQueue::announce(Posts& posts, QueuedMessage message) {
    const auto shard = shard_of(message.id);
    const std::lock_guard lock(mutex_);
    if (owners_.empty()) {
        waiting_[shard].emplace_back(message.id, summarize(*message.envelope, message.size));
        return;
    }
    posts.add(ports_.loops.at(shard), [owner = owners_[shard], message = std::move(message)]() mutable {
        owner->on_message(std::move(message));
    });
}

void LogQueue::attach(std::vector<QueueOwner*> owners) {
    std::vector<Waiting> waiting(ports_.loops.size());
    {
        const std::lock_guard lock(mutex_);
        owners_ = std::move(owners);
        waiting.swap(waiting_);
    }
    for (std::size_t shard = 0; shard < waiting.size(); ++shard) {
        if (!waiting[shard].empty()) tell_waiting(shard, std::make_shared<Waiting>(std::move(waiting[shard])));
    }
    if (incoming_ != nullptr) incoming_->start();
}

void LogQueue::use(std::unique_ptr<Incoming> incoming) { incoming_ = std::move(incoming); }

void LogQueue::tell_waiting(std::size_t shard, std::shared_ptr<Waiting> waiting) {
    auto& loop = ports_.loops.at(shard);
    loop.post([this, shard, owner = owners_[shard], waiting = std::move(waiting)]() mutable {
        for (std::size_t i = 0; i < kTellAtOnce && !waiting->empty(); ++i) {
            QueuedMessage message;
            message.id = waiting->back().first;
            const bool good = apply_trail(waiting->back().second, message);
            waiting->pop_back();
            // A summary of our own making that does not read: the record itself will tell.
            if (!good)
                base::log::error("spool.summary_spoiled", {{"message_id", message.id.to_string()}});
            else
                owner->on_message(std::move(message));
        }
        if (!waiting->empty()) tell_waiting(shard, std::move(waiting));
    });
}

void LogQueue::set_in_hand(std::size_t loop_index, std::optional<base::Ulid> id) {
    if (ports_.in_hand != nullptr) ports_.in_hand->set(loop_index, id);
}

net::Task<base::Result<StoredMessage>> LogQueue::load(net::Loop& loop, base::Ulid id) {
    return read(loop, id, Log::Parts::all);
}

net::Task<base::Result<StoredMessage>> LogQueue::look(net::Loop& loop, base::Ulid id) {
    return read(loop, id, Log::Parts::no_body);
}

net::Task<base::Result<StoredMessage>> LogQueue::read(net::Loop& loop, base::Ulid id, Log::Parts parts) {
    auto read = [this, id, parts]() -> base::Result<StoredMessage> {
        auto message = log_->load(id, parts);
        if (!message && message.error().kind == base::ErrorKind::permanent && log_->knows(id))
            quarantine(id, message.error().log_text);
        return message;
    };
    base::Result<StoredMessage> message = co_await net::offload(loop, ports_.pool, std::move(read));
    co_return message;
}

// ---- health -------------------------------------------------------------------------------------------------

QueueStats LogQueue::stats() const {
    const auto log = log_->stats();
    QueueStats stats;
    stats.messages = log.messages;
    stats.bytes = log.bytes;
    stats.disk_bytes = log.disk_bytes + store_->spare_bytes() + supply_->ahead_bytes();
    stats.segments = log.segments;
    stats.rounds = log.rounds;
    stats.accepted = accepted_;
    stats.finished = finished_;
    stats.quarantined = quarantined_;
    stats.memory_used = budget_->used();
    const auto good = ready(0);
    stats.writable = good.has_value();
    if (!good) stats.trouble = good.error().log_text;
    return stats;
}

base::Result<void> LogQueue::probe() {
    if (auto good = ready(0); !good) return good;
    auto& disk = *files_->disk;
    const auto path = fmt::format("{}/probe-{}", files_->at.root, names_++);
    auto file = disk.open(path, base::OpenMode::create);
    if (!file) return std::unexpected(file.error());
    base::Result<void> good = (*file)->write(0, "posthorn");
    if (good) good = (*file)->sync();
    const auto gone = disk.unlink(path);
    return good ? gone : good;
}

void LogQueue::stop() {
    incoming_.reset();  // it waits for what it commits
    {
        std::unique_lock lock(mutex_);
        if (std::exchange(stopping_, true)) return;
        stopped_ = true;
        // What a pool prepares for us still needs us.
        gates_empty_.wait_for(lock, std::chrono::seconds(10), [this] { return gates_.empty(); });
    }
    wake_keeper_.notify_all();
    if (keeper_.joinable()) keeper_.join();
    if (committer_ != nullptr) committer_->stop();
    if (supply_ != nullptr) supply_->stop();
    remove_files();
    const std::lock_guard lock(gauges_->mutex);
    gauges_->queue = nullptr;
}

}  // namespace posthorn::spool
