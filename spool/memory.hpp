// The queue in memory: nothing is durable, everything else is as the port says. For tests, under real loops or
// simulated ones. It outlives what is attached to it: attach() again is a restart.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/loop.hpp"
#include "spool/queue.hpp"

namespace posthorn::spool {

class MemoryQueue final : public Queue {
public:
    explicit MemoryQueue(net::LoopGroup& loops);
    ~MemoryQueue() override;

    base::Result<std::unique_ptr<Intake>> begin(net::Loop& loop, std::uint64_t expected_size) override;
    net::Task<base::Result<void>> commit(net::Loop& loop, mail::Envelope envelope,
                                         std::unique_ptr<Intake> body) override;
    void record(StateChange change, Recorded done) override;
    net::Task<base::Result<StoredMessage>> load(net::Loop& loop, base::Ulid id) override;
    std::size_t shard_of(const base::Ulid& id) const override;
    Walked walk(std::uint64_t from, std::size_t places) const override;
    bool knows(const base::Ulid& id) const override;
    void attach(std::vector<QueueOwner*> owners) override;
    void set_in_hand(std::size_t loop_index, std::optional<base::Ulid> id) override;
    QueueStats stats() const override;
    base::Result<void> probe() override;
    void stop() override;

    // For tests. Any thread.
    base::Result<void> put(mail::Envelope envelope, std::string body);  // commit() without a session
    void detach();                        // owners go away: what is committed waits for the next attach()
    void fail_records(std::size_t next);  // that many record()s fail from now
    void hold_records(bool hold);         // a disk that stands still: nothing becomes durable until it is over
    void forget_to_tell(bool forget);     // what is committed meanwhile is announced to nobody
    void lose(const base::Ulid& id);      // as if it were damaged and had been put aside
    void fail_commits(std::optional<base::Error> with);
    bool wait_for_count(std::size_t messages, base::Duration limit);  // real loops: until so many have come in all
    std::vector<base::Ulid> ids() const;                              // not done, in order
    std::optional<StoredMessage> get(const base::Ulid& id) const;     // done ones too
    std::string body(const base::Ulid& id) const;
    std::size_t records() const;  // successful
    std::optional<base::Ulid> in_hand(std::size_t loop_index) const;
    std::set<base::Ulid> were_in_hand(std::size_t loop_index) const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace posthorn::spool
