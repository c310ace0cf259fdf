// LogQueue: the start.
#include "base/log.hpp"
#include "spool/impl/incoming.hpp"
#include "spool/impl/log_queue.hpp"

namespace posthorn::spool {

base::Result<std::unique_ptr<LogQueue>> LogQueue::open(Config config, LogQueuePorts ports) {
    std::unique_ptr<LogQueue> queue(new LogQueue(std::move(config), std::move(ports)));
    if (auto recovered = queue->recover_all(); !recovered) return std::unexpected(recovered.error());
    return queue;
}

base::Result<void> LogQueue::recover_all() {
    const auto start = ports_.clock.steady();
    auto& disk = *files_->disk;
    auto found = recover(disk, files_->at);
    if (!found) return std::unexpected(found.error());

    // The trails go to the shards they will be told on; from here on only the table knows of all messages.
    found->table.each([&](const Entry& entry) {
        waiting_[shard_of(entry.id)].emplace_back(entry.id, std::move(found->trails[entry.note - 1]));
    });
    quarantined_ = found->damages;

    store_ =
        std::make_unique<SegmentStore>(disk, files_->at.log, config_.segment_size, ports_.clock, *ports_.random);
    store_->resume(found->next_number, found->spares);
    supply_ = std::make_unique<AheadSupply>(*store_);
    log_ = std::make_unique<Log>(disk, files_->at, *supply_, ports_.clock, config_.segment_size);
    log_->adopt(*found);
    // A full disk is no reason not to start: what is here can be delivered. The committer tries again.
    const auto writable = log_->restore();
    if (!writable) base::log::error("spool.not_writable", {{"error", writable.error().log_text}});
    committer_ = std::make_unique<Committer>(*log_, *supply_, ports_.metrics);
    look_at_space();

    for (const auto& id : found->lost) submit_lost(id);
    if (ports_.in_hand != nullptr) {
        for (const auto& id : ports_.in_hand->take_guilty()) put_guilty_aside(id);
    }
    register_metrics();
    keeper_ = std::thread([this] { keep(); });
    const auto took = std::chrono::duration<double>(ports_.clock.steady() - start).count();
    base::log::info("spool.opened", {{"messages", log_->stats().messages},
                                     {"segments", log_->stats().segments},
                                     {"scanned", found->scanned},
                                     {"damages", found->damages},
                                     {"seconds", took}});
    return {};
}

void LogQueue::put_guilty_aside(const base::Ulid& id) {
    if (!log_->knows(id)) return;
    export_guilty(id);
    std::erase_if(waiting_[shard_of(id)], [&](const auto& one) { return one.first == id; });
}

void LogQueue::register_metrics() {
    auto& metrics = ports_.metrics;
    const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
        metrics.gauge_callback(name, help, [stats = gauges_, value] {
            const std::lock_guard lock(stats->mutex);
            return stats->queue == nullptr ? 0.0 : static_cast<double>(value(stats->queue->stats()));
        });
    };
    gauge("posthorn_spool_messages", "Messages in the queue.", [](const QueueStats& s) { return s.messages; });
    gauge("posthorn_spool_disk_bytes", "What log and big bodies take on the disk.",
          [](const QueueStats& s) { return s.disk_bytes; });
    gauge("posthorn_spool_memory_bytes", "What bodies take in memory.",
          [](const QueueStats& s) { return s.memory_used; });
    gauge("posthorn_spool_quarantined_messages", "Messages and records put aside since the start.",
          [](const QueueStats& s) { return s.quarantined; });
    gauge("posthorn_spool_writable", "1: mail is taken.", [](const QueueStats& s) { return s.writable ? 1 : 0; });
    const std::lock_guard lock(gauges_->mutex);
    gauges_->queue = this;
}

}  // namespace posthorn::spool
