// The queue port: the one door through which every message enters, and the one place where promises are kept.
//
// Each message has ONE owner: a shard chosen by its ULID, living on one loop. Only the owner writes about the
// message (record, finish), and it hears of the message through QueueOwner on its loop: at commit, at recovery.
// Destinations post outcomes to the owner; they do not write here.
//
// Backends: spool/impl/log_* (the durable log of docs/spool.md) and spool/memory.hpp (for tests). One contract
// test for both: tests/unit/spool/queue_contract.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/ulid.hpp"
#include "mail/envelope.hpp"
#include "mail/outcome.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"
#include "spool/body.hpp"

namespace posthorn::spool {

// What the queue keeps in memory about a message is < 512 bytes (design: envelopes and last replies are read back
// from the log when an attempt or `queue view` needs them). This is what an owner is told once; it keeps what it
// needs in a compact form of its own.
struct RecipientSummary {
    std::uint32_t index = 0;  // into Envelope::recipients
    std::string domain;       // domain_key of the address; routing is decided at attempt time
    mail::RecipientStatus status = mail::RecipientStatus::pending;
    std::uint32_t attempts = 0;
    base::WallTime next_try{};
    bool delay_warned = false;
    bool dsn_done = false;
};

struct QueuedMessage {
    base::Ulid id;
    base::WallTime arrival{};
    base::WallTime hold_until{};  // Envelope::hold_until
    std::uint64_t size = 0;       // body octets
    bool null_sender = false;
    bool frozen = false;
    std::vector<RecipientSummary> recipients;  // all of them, final ones too
    // Present on a fresh commit, so that the first attempt reads nothing back; null after recovery.
    std::shared_ptr<const mail::Envelope> envelope;
    std::shared_ptr<const Body> body;
};

// Implemented by delivery. All calls on the loop the message belongs to (shard_of(id)).
class QueueOwner {
public:
    virtual ~QueueOwner() = default;
    virtual void on_message(QueuedMessage message) = 0;  // durable and yours now
};

// One change of a message's state; several may go in one record() and become durable together.
struct RecipientUpdate {
    std::uint32_t index = 0;
    mail::RecipientState state;
};

struct StateChange {
    base::Ulid id;
    std::vector<RecipientUpdate> recipients;
    std::optional<bool> frozen;
    // Messages this change gives birth to (DSNs): appended in the same round, so that either all of it is durable
    // or none. Their ids derive from the parent's (Ulid::child); an id already known is ignored. A change is repeated
    // only after it was told failed.
    struct Birth {
        mail::Envelope envelope;
        std::string body_prefix;  // ready MIME text ...
        std::shared_ptr<const Body>
            middle;                     // ... then, if set, a range of the parent's body (returned content) ...
        std::uint64_t middle_size = 0;  // ... of which this many first bytes are taken
        std::string body_suffix;        // ... then the closing boundary
    };
    std::vector<Birth> births;
    bool done = false;  // every recipient final and no DSN owed: a DONE record; the message is forgotten
};

struct StoredMessage {
    mail::Envelope envelope;
    std::vector<mail::RecipientState> recipients;  // parallel to envelope.recipients
    bool frozen = false;
    std::shared_ptr<const Body> body;
};

// What its owner is told of it, without envelope and body.
QueuedMessage queued_message(const StoredMessage& stored);

struct QueueStats {
    std::uint64_t messages = 0;    // not done
    std::uint64_t bytes = 0;       // live bodies
    std::uint64_t disk_bytes = 0;  // segments and big files
    std::uint64_t segments = 0;
    std::uint64_t accepted = 0;  // since start
    std::uint64_t finished = 0;
    std::uint64_t rounds = 0;       // syncs
    std::uint64_t quarantined = 0;  // damaged or crashing, put aside; see corrupt/
    std::uint64_t memory_used = 0;  // of the intake budget
    bool writable = true;           // last probe or round succeeded and there is room
    std::string trouble;            // why not, for the operator
};

class Queue {
public:
    virtual ~Queue() = default;

    // A new incoming body. `expected_size` from SIZE=, 0 if unknown: large ones go to the disk at once.
    // Fails (452 4.3.1 / 451 4.3.0 texts in the error) when short of space or not writable.
    virtual base::Result<std::unique_ptr<Intake>> begin(net::Loop& loop, std::uint64_t expected_size) = 0;

    // The promise. Resumes on `loop` once the message is durable (the owner is told at the same moment), or with an
    // error when it is not and never will be. Not cancellable. envelope.id must be new.
    virtual net::Task<base::Result<void>> commit(net::Loop& loop, mail::Envelope envelope,
                                                 std::unique_ptr<Intake> body) = 0;

    // Appends; `done` runs on the owner's loop when durable, or with the error: then nothing of it happened, and the
    // caller repeats it. Changes of one message become durable in the order given. An error of kind `permanent`
    // means that the message is not here (any more): forget it.
    using Recorded = std::move_only_function<void(base::Result<void>)>;
    virtual void record(StateChange change, Recorded done) = 0;

    // Reads a message back: its envelope and merged state; the body stays on disk, its checksum verified. Any loop.
    // An error of kind `temporary` (the disk) may pass. One of kind `permanent`: the message is not here, or what is
    // here is damaged, was copied to corrupt/ and is no longer in the queue: forget it.
    virtual net::Task<base::Result<StoredMessage>> load(net::Loop& loop, base::Ulid id) = 0;

    // The same without the body, which is not looked at: for lists.
    virtual net::Task<base::Result<StoredMessage>> look(net::Loop& loop, base::Ulid id) { return load(loop, id); }

    // Which loop a message belongs to.
    virtual std::size_t shard_of(const base::Ulid& id) const = 0;

    // For the safety net of delivery. Any thread, and short.
    // Messages that are here and that their owners have been told of, or are being told: looks at `places` places
    // from `from` (0: the first) on. What was here the whole time is seen, but for some that move while others come
    // or go: a later walk sees them.
    static constexpr std::uint64_t kWalked = ~std::uint64_t{0};
    struct Walked {
        std::vector<base::Ulid> ids;
        std::uint64_t next = kWalked;  // where to go on; kWalked: that was all
    };
    virtual Walked walk(std::uint64_t from, std::size_t places) const = 0;
    // It is here and not done.
    virtual bool knows(const base::Ulid& id) const = 0;

    // Delivery comes up: each shard's owner is told of every message that waits (in batches, posted to its loop, the
    // newest state merged), then of each new one. Owners must outlive the queue's stop().
    virtual void attach(std::vector<QueueOwner*> owners) = 0;

    // Names the message whose handling is under way on this loop, in memory that survives a crash of the process
    // but is never synced; nullopt: none. Start-up counts crashes per message with it.
    virtual void set_in_hand(std::size_t loop_index, std::optional<base::Ulid> id) = 0;

    // Nothing can be promised any more, by more than a want of space: a write or sync failed, and so did the next try.
    // It may pass. Any thread, and cheap.
    virtual bool broken() const { return false; }
    virtual QueueStats stats() const = 0;  // any thread

    // Probes that the spool can be written (creates, syncs, removes a file); blocking: from a pool.
    virtual base::Result<void> probe() = 0;

    // No further commits (they fail temporary); finishes the round under way, writes what speeds up the next start.
    // Blocking: from the main thread, after sessions and deliveries ended.
    virtual void stop() = 0;
};

}  // namespace posthorn::spool
