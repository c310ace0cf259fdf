// The queue port on the log: intakes, promises, owners; and the threads behind it: the committer, the supply of
// segments, the keeper (cleaning, free space, files to be removed).
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/ulid.hpp"
#include "net/pool.hpp"
#include "spool/config.hpp"
#include "spool/impl/committer.hpp"
#include "spool/impl/in_hand.hpp"
#include "spool/impl/intake.hpp"
#include "spool/impl/log.hpp"
#include "spool/impl/segment_store.hpp"
#include "spool/impl/supply.hpp"
#include "spool/queue.hpp"

namespace posthorn::spool {

struct LogQueuePorts {
    net::LoopGroup& loops;
    net::Pool& pool;
    const base::Clock& clock;
    base::Metrics& metrics;
    std::shared_ptr<base::Disk> disk;
    std::unique_ptr<base::Random> random;  // generations
    std::unique_ptr<InHand> in_hand;       // null: crashes are not counted
    std::shared_ptr<void> lock;            // held as long as the queue lives
};

// What an owner is told of a message that was just made.
QueuedMessage queued_message(const mail::Envelope& envelope);

class Incoming;

class LogQueue final : public Queue {
public:
    // The directories exist. Recovers; an error is a refusal to start.
    static base::Result<std::unique_ptr<LogQueue>> open(Config config, LogQueuePorts ports);
    ~LogQueue() override;  // as stop()

    base::Result<std::unique_ptr<Intake>> begin(net::Loop& loop, std::uint64_t expected_size) override;
    net::Task<base::Result<void>> commit(net::Loop& loop, mail::Envelope envelope,
                                         std::unique_ptr<Intake> body) override;
    void record(StateChange change, Recorded done) override;
    net::Task<base::Result<StoredMessage>> load(net::Loop& loop, base::Ulid id) override;
    net::Task<base::Result<StoredMessage>> look(net::Loop& loop, base::Ulid id) override;
    std::size_t shard_of(const base::Ulid& id) const override;
    Walked walk(std::uint64_t from, std::size_t places) const override;
    bool knows(const base::Ulid& id) const override { return log_->knows(id); }
    void attach(std::vector<QueueOwner*> owners) override;
    void set_in_hand(std::size_t loop_index, std::optional<base::Ulid> id) override;
    bool broken() const override;
    QueueStats stats() const override;
    base::Result<void> probe() override;
    void stop() override;

    // For what comes in without a loop (the drop folder). Blocking.
    // As commit(), but its owner is not told before release() is called.
    base::Result<void> commit_held(mail::Envelope envelope, std::shared_ptr<const std::string> bytes,
                                   std::shared_ptr<BigFile> file);
    void release(const base::Ulid& id);
    // The drop folder's thread starts at attach() and ends first at stop(). Before attach().
    void use(std::unique_ptr<Incoming> incoming);
    const std::shared_ptr<const Files>& files() const { return files_; }
    const Config& config() const { return config_; }

private:
    struct Wait;
    using Waiting = std::vector<std::pair<base::Ulid, std::string>>;  // id and trail
    using Gated = std::deque<std::pair<StateChange, Recorded>>;

    LogQueue(Config config, LogQueuePorts ports);
    base::Result<void> recover_all();
    void put_guilty_aside(const base::Ulid& id);
    void register_metrics();
    void export_guilty(const base::Ulid& id);

    base::Result<void> ready(std::uint64_t size) const;
    void announce(Posts& posts, QueuedMessage message);
    void tell_waiting(std::size_t shard, std::shared_ptr<Waiting> waiting);
    std::shared_ptr<const Body> body_for_owner(std::shared_ptr<const std::string> bytes,
                                               std::shared_ptr<Share> share, const base::Ulid& id);

    net::Task<base::Result<StoredMessage>> read(net::Loop& loop, base::Ulid id, Log::Parts parts);
    bool needs_disk(const StateChange& change) const;
    void submit_change(StateChange change, Recorded done);
    void prepare_gated(base::Ulid id, StateChange change, Recorded done);
    // What goes on to many addresses is in memory once.
    struct SharedBodies {
        std::map<std::pair<const Body*, std::uint64_t>, std::shared_ptr<const std::string>> known;
        std::shared_ptr<const std::string>* of(const StateChange::Birth& birth) {
            if (!birth.middle || !birth.body_prefix.empty() || !birth.body_suffix.empty()) return nullptr;
            return &known[{birth.middle.get(), birth.middle_size}];
        }
    };
    base::Result<std::pair<MessageOp, std::shared_ptr<BigFile>>> prepare(StateChange::Birth& birth,
                                                                         SharedBodies& shared);
    void quarantine(const base::Ulid& id, std::string_view reason);
    void submit_done(const base::Ulid& id);
    void submit_lost(const base::Ulid& id);
    void remove_big(const base::Ulid& id);

    void keep();  // the keeper's thread
    bool clean_some();
    void remove_files();
    void look_at_space();

    const Config config_;
    LogQueuePorts ports_;
    std::shared_ptr<const Files> files_;
    std::shared_ptr<Budget> budget_;
    std::shared_ptr<Room> room_;
    std::unique_ptr<SegmentStore> store_;
    std::unique_ptr<AheadSupply> supply_;
    std::unique_ptr<Log> log_;
    std::unique_ptr<Committer> committer_;

    mutable std::mutex mutex_;  // guards these; held for moments
    std::vector<QueueOwner*> owners_;
    std::vector<Waiting> waiting_;  // by shard: before attach()
    std::map<base::Ulid, QueuedMessage> held_;
    std::map<base::Ulid, Gated> gates_;  // changes behind one whose births go to the disk first
    std::condition_variable gates_empty_;
    std::vector<std::string> unwanted_;  // files to be removed
    bool stopping_ = false;
    std::condition_variable wake_keeper_;

    std::atomic<std::uint64_t> accepted_{0};
    std::atomic<std::uint64_t> finished_{0};
    std::atomic<std::uint64_t> quarantined_{0};
    std::atomic<std::uint64_t> names_{0};
    std::atomic<bool> stopped_{false};
    std::thread keeper_;
    std::unique_ptr<Incoming> incoming_;

    // The registry may be read after the queue is gone.
    struct Gauges {
        std::mutex mutex;
        const LogQueue* queue = nullptr;
    };
    std::shared_ptr<Gauges> gauges_ = std::make_shared<Gauges>();
};

}  // namespace posthorn::spool
