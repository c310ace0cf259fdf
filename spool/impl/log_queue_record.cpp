// LogQueue: what owners write about their messages, and what becomes of messages that cannot be handled.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "base/log.hpp"
#include "mail/envelope_codec.hpp"
#include "spool/impl/bodies.hpp"
#include "spool/impl/log_queue.hpp"

namespace posthorn::spool {
namespace {

constexpr auto kKeeperRound = std::chrono::milliseconds(500);
constexpr std::size_t kCopyChunk = std::size_t{128} << 10;

std::uint64_t size_of(const StateChange::Birth& birth) {
    return birth.body_prefix.size() + birth.middle_size + birth.body_suffix.size();
}

// prefix, a range of the parent, suffix: piece by piece into `write`.
base::Result<void> assemble(const StateChange::Birth& birth,
                            const std::function<base::Result<void>(std::string_view)>& write) {
    if (auto good = write(birth.body_prefix); !good) return good;
    std::string buffer;
    for (std::uint64_t at = 0; birth.middle != nullptr && at < birth.middle_size;) {
        buffer.resize(std::min<std::uint64_t>(kCopyChunk, birth.middle_size - at));
        const auto got = birth.middle->read_at(at, buffer);
        if (!got) return std::unexpected(got.error());
        if (*got == 0) break;
        if (auto good = write(std::string_view(buffer).substr(0, *got)); !good) return good;
        at += *got;
    }
    return write(birth.body_suffix);
}

}  // namespace

// An owner records on its loop; only births that need the disk leave it, and then later changes of the same message
// wait behind them.
void LogQueue::record(StateChange change, Recorded done) {
    const auto id = change.id;
    {
        const std::lock_guard lock(mutex_);
        if (auto gate = gates_.find(id); gate != gates_.end()) {
            gate->second.emplace_back(std::move(change), std::move(done));
            return;
        }
        if (needs_disk(change)) gates_.emplace(id, Gated());
    }
    if (!needs_disk(change)) return submit_change(std::move(change), std::move(done));
    auto job = std::make_shared<std::pair<StateChange, Recorded>>(std::move(change), std::move(done));
    if (ports_.pool.submit([this, id, job] { prepare_gated(id, std::move(job->first), std::move(job->second)); }))
        return;
    Gated behind;
    {
        const std::lock_guard lock(mutex_);
        behind = std::move(gates_[id]);
        gates_.erase(id);
    }
    behind.emplace_front(std::move(job->first), std::move(job->second));
    for (auto& [what, told] : behind) {
        ports_.loops.at(shard_of(id)).post([refused = std::move(told)]() mutable {
            refused(base::fail(base::ErrorKind::temporary, "the disk pool is full", "4.3.2", "System is busy"));
        });
    }
}

void LogQueue::prepare_gated(base::Ulid id, StateChange change, Recorded done) {
    for (;;) {
        submit_change(std::move(change), std::move(done));
        const std::lock_guard lock(mutex_);
        auto gate = gates_.find(id);
        if (gate->second.empty()) {
            gates_.erase(gate);
            if (gates_.empty()) gates_empty_.notify_all();
            return;
        }
        std::tie(change, done) = std::move(gate->second.front());
        gate->second.pop_front();
    }
}

bool LogQueue::needs_disk(const StateChange& change) const {
    return std::ranges::any_of(change.births, [this](const StateChange::Birth& birth) {
        const bool in_memory = birth.middle == nullptr || birth.middle->memory().has_value();
        return !in_memory || size_of(birth) > config_.memory_body;
    });
}

base::Result<std::pair<MessageOp, std::shared_ptr<BigFile>>> LogQueue::prepare(StateChange::Birth& birth,
                                                                               SharedBodies& shared) {
    std::shared_ptr<BigFile> file;
    MessageOp op;
    op.id = birth.envelope.id;
    if (size_of(birth) > config_.memory_body) {
        file = std::make_shared<BigFile>(files_, fmt::format("birth-{}", names_++));
        auto written = assemble(birth, [&](std::string_view bytes) { return file->write(bytes); });
        if (written) written = file->finish(op.id);
        if (!written) return std::unexpected(written.error());
        op.big_length = file->size();
        op.big_crc = file->crc();
    } else if (auto* const known = shared.of(birth); known != nullptr && *known != nullptr) {
        op.body = *known;
    } else {
        auto bytes = std::make_shared<std::string>();
        auto written = assemble(birth, [&](std::string_view piece) {
            bytes->append(piece);
            return base::Result<void>();
        });
        if (!written) return std::unexpected(written.error());
        if (known != nullptr) *known = bytes;
        op.body = std::move(bytes);
    }
    birth.envelope.body_size = op.body_length();
    op.envelope = mail::encode_envelope(birth.envelope);
    op.summary = summarize(birth.envelope, op.body_length());
    return std::pair(std::move(op), std::move(file));
}

void LogQueue::submit_change(StateChange change, Recorded done) {
    const auto id = change.id;
    auto& loop = ports_.loops.at(shard_of(id));
    StateOp op;
    op.id = id;
    op.done = change.done;
    if (!change.recipients.empty() || change.frozen) {
        op.changes = encode_changes(change.recipients, change.frozen);
        op.summary = summarize(change.recipients, change.frozen);
    }
    struct Child {
        QueuedMessage message;
        std::shared_ptr<BigFile> file;
    };
    std::vector<Child> children;
    SharedBodies shared;
    for (auto& birth : change.births) {
        if (log_->knows(birth.envelope.id)) continue;
        auto made = prepare(birth, shared);
        if (!made) {
            loop.post([done = std::move(done), error = made.error()]() mutable { done(std::unexpected(error)); });
            return;
        }
        Child child;
        child.message = queued_message(birth.envelope);
        child.message.envelope = std::make_shared<const mail::Envelope>(std::move(birth.envelope));
        child.file = std::move(made->second);
        children.push_back(std::move(child));
        op.births.push_back(std::move(made->first));
    }
    const auto entry = change.done ? log_->find(id) : std::nullopt;
    Request request;
    request.durable = [this, id, big = entry && entry->big != 0, finished = change.done,
                       children = std::move(children)](Posts& posts, const Op& written) mutable {
        const auto& births = std::get<StateOp>(written).births;
        for (std::size_t i = 0; i < children.size(); ++i) {
            if (births[i].known) continue;
            auto& [message, file] = children[i];
            if (file != nullptr) file->keep();
            message.body = file != nullptr ? file_body(file->file(), file->size()) : memory_body(births[i].body);
            announce(posts, std::move(message));
        }
        if (finished) ++finished_;
        if (big) remove_big(id);
    };
    request.op = std::move(op);
    request.loop = &loop;
    request.told = std::move(done);
    committer_->submit(std::move(request));
}

// ---- messages that cannot be handled ------------------------------------------------------------------------

void LogQueue::quarantine(const base::Ulid& id, std::string_view reason) {
    log_->put_aside(id, reason);
    base::log::error("spool.quarantined", {{"message_id", id.to_string()}, {"reason", reason}});
    ++quarantined_;
    submit_done(id);
}

void LogQueue::submit_done(const base::Ulid& id) {
    const auto entry = log_->find(id);
    StateOp op;
    op.id = id;
    op.done = true;
    Request request;
    request.op = std::move(op);
    request.told = [](base::Result<void>) {};  // not durable: the next start finds the same again
    request.durable = [this, id, big = entry && entry->big != 0](Posts&, const Op&) {
        if (big) remove_big(id);
    };
    committer_->submit(std::move(request));
}

// Of what the recovery could not keep. Not durable: the next start finds the same again.
void LogQueue::submit_lost(const base::Ulid& id) {
    StateOp op;
    op.id = id;
    op.done = true;
    op.lost = true;
    Request request;
    request.op = std::move(op);
    request.told = [](base::Result<void>) {};
    request.durable = [](Posts&, const Op&) {};
    committer_->submit(std::move(request));
}

void LogQueue::remove_big(const base::Ulid& id) {
    const std::lock_guard lock(mutex_);
    unwanted_.push_back(files_->at.big + '/' + id.to_string());
}

// As the drop folder has it (docs/spool.md): moved to incoming/ it comes back.
void LogQueue::export_guilty(const base::Ulid& id) {
    auto message = log_->load(id);
    if (!message) {
        if (log_->knows(id)) quarantine(id, message.error().log_text);
        return;
    }
    const auto path = files_->at.corrupt + '/' + id.to_string() + ".message";
    auto file = files_->disk->open(path, base::OpenMode::create);
    base::Result<void> good;
    std::uint64_t at = 0;
    const auto write = [&](std::string_view bytes) {
        auto written = (*file)->write(at, bytes);
        at += bytes.size();
        return written;
    };
    if (!file) good = std::unexpected(file.error());
    if (good) {
        StateChange::Birth whole;
        whole.body_prefix = mail::encode_envelope(message->envelope);
        whole.middle = message->body;
        whole.middle_size = message->body->size();
        good = assemble(whole, write);
    }
    if (good) good = (*file)->sync();
    if (good) good = files_->disk->sync_directory(files_->at.corrupt);
    base::log::error("spool.quarantined", {{"message_id", id.to_string()},
                                           {"copy", path},
                                           {"copied", good.has_value()},
                                           {"msg", "its handling crashed the server again and again"}});
    ++quarantined_;
    if (good) submit_done(id);
}

// ---- the keeper ---------------------------------------------------------------------------------------------

void LogQueue::keep() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        look_at_space();
        remove_files();
        const bool more = clean_some();
        lock.lock();
        if (!more) wake_keeper_.wait_for(lock, kKeeperRound, [this] { return stopping_; });
    }
}

void LogQueue::look_at_space() {
    if (const auto space = files_->disk->space(files_->at.root)) {
        room_->seen(space->inodes_free == 0 ? 0 : space->free);
    }
}

void LogQueue::remove_files() {
    std::vector<std::string> files;
    {
        const std::lock_guard lock(mutex_);
        files.swap(unwanted_);
    }
    // One that stays is an orphan: the next start removes it.
    for (const auto& file : files) (void)files_->disk->unlink(file);
}

bool LogQueue::clean_some() {
    const auto forward = [this](std::vector<Op> ops) { return committer_->write_apart(std::move(ops)); };
    const auto freed = [this](const std::shared_ptr<const Segment>& segment) { return store_->free(segment); };
    const auto report = log_->clean_step(forward, freed);
    if (!report) {
        base::log::warning("spool.cleaning_failed", {{"error", report.error().log_text}});
        return false;
    }
    for (const auto& id : report->damaged) quarantine(id, "found damaged when it was carried forward");
    return report->progress;
}

}  // namespace posthorn::spool
