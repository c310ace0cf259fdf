// spool::Queue in virtual time: what is given to it becomes durable in rounds, a moment later, or does not. One life:
// after a crash another one stands on the same store.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "net/sim_loop.hpp"
#include "spool/queue.hpp"
#include "tests/simulation/ledger.hpp"
#include "tests/simulation/store.hpp"

namespace posthorn::simulation {

class SimQueue final : public spool::Queue {
public:
    SimQueue(net::SimLoops& loops, Store& store, Ledger& ledger, Trace& trace, base::Duration latency);
    ~SimQueue() override;

    base::Result<std::unique_ptr<spool::Intake>> begin(net::Loop& loop, std::uint64_t expected_size) override;
    net::Task<base::Result<void>> commit(net::Loop& loop, mail::Envelope envelope,
                                         std::unique_ptr<spool::Intake> body) override;
    void record(spool::StateChange change, Recorded done) override;
    net::Task<base::Result<spool::StoredMessage>> load(net::Loop& loop, base::Ulid id) override;
    std::size_t shard_of(const base::Ulid& id) const override;
    void attach(std::vector<spool::QueueOwner*> owners) override;
    void set_in_hand(std::size_t, std::optional<base::Ulid>) override {}
    Walked walk(std::uint64_t from, std::size_t places) const override;
    bool knows(const base::Ulid& id) const override;
    spool::QueueStats stats() const override;
    base::Result<void> probe() override { return {}; }
    void stop() override;

    // A message from a session: promised once its round is durable.
    void put(mail::Envelope envelope, std::string body);
    // What was given and is not durable yet: gone with the machine.
    std::vector<Write> take_unwritten();
    void fail_loads(int thousandths, Dice* dice) { load_failures_ = thousandths, dice_ = dice; }

private:
    struct Entry {
        Write write;
        Recorded done;  // empty for a message
    };
    void enqueue(Entry entry);
    void round();
    void announce(const base::Ulid& id, bool fresh);
    static spool::QueuedMessage summary(const spool::StoredMessage& stored, bool fresh);

    net::SimLoops& loops_;
    Store& store_;
    Ledger& ledger_;
    Trace& trace_;
    base::Duration latency_;
    std::vector<spool::QueueOwner*> owners_;
    std::deque<Entry> waiting_;
    bool armed_ = false;
    int rounds_ = 0;
    int load_failures_ = 0;
    Dice* dice_ = nullptr;
};

}  // namespace posthorn::simulation
