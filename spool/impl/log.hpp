// The log: rounds appended, messages read back, segments cleaned. No threads of its own: log_queue.hpp brings them.
//
// Who calls what: write(), restore() and close() one thread, the committer. load() and the questions any thread.
// clean_step() one thread, not the committer's, where `forward` hands rounds to the committer and waits.
//
// The promise: write() says yes for an operation only when it is durable, and no only when it never will be (or,
// after a crash, may be found done although nobody was told so).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "spool/impl/changes.hpp"
#include "spool/impl/recovery.hpp"
#include "spool/impl/round.hpp"
#include "spool/impl/table.hpp"
#include "spool/queue.hpp"

namespace posthorn::spool {

struct MessageOp {
    base::Ulid id;
    std::string envelope;  // encoded
    std::string summary;
    std::shared_ptr<const std::string> body;  // inline; null: big/<id> has it
    std::uint64_t big_length = 0;
    std::uint32_t big_crc = 0;
    bool known = false;  // told back: a birth whose id was in the queue already, and was not written

    bool big() const { return body == nullptr; }
    std::uint64_t body_length() const { return big() ? big_length : body->size(); }
};

struct StateOp {
    base::Ulid id;
    std::string changes;  // encoded; empty: none
    std::string summary;
    std::vector<MessageOp> births;
    bool done = false;
    bool lost = false;  // the recovery has dropped it from the table: its DONE is written none the less
};

// A message of an old segment once more, with its merged state. Has no effect (and succeeds) when the message has
// moved on meanwhile.
struct ForwardOp {
    MessageOp message;
    std::string changes;  // empty: none
    std::string changes_summary;
    Location message_at;
    Location state_at;
};

using Op = std::variant<MessageOp, StateOp, ForwardOp>;
using Results = std::vector<base::Result<void>>;  // parallel to the operations

// Octets in the log: for the bound on a round.
std::uint64_t stored(const Op& op);
// A round is cut after this much, so that a lone message never waits for a torrent.
inline constexpr std::uint64_t kMaxRound = std::uint64_t{4} << 20;

// Where new segments come from and sealed or freed ones go; ahead of time and behind the scenes, or at once.
class SegmentSupply {
public:
    virtual ~SegmentSupply() = default;
    // May block until one is made. `at_least` 0: of the usual size.
    virtual base::Result<std::shared_ptr<const Segment>> take(std::uint64_t at_least) = 0;
    // Writes the index of a segment that is full. `done` when it has one (any thread).
    virtual void seal(std::unique_ptr<SegmentWriter> writer, std::function<void()> done) = 0;
};

struct LogStats {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;       // live bodies
    std::uint64_t disk_bytes = 0;  // segments and the big files of live messages
    std::uint64_t segments = 0;
    std::uint64_t rounds = 0;
    std::size_t memory = 0;  // of the table
};

class Log {
public:
    Log(base::Disk& disk, const Directories& directories, SegmentSupply& supply, const base::Clock& clock,
        std::uint64_t segment_size);

    // Once, first. Keeps the table and the segments; trails stay with the caller.
    void adopt(Recovered& recovered);

    // ---- the committer's
    Results write(std::span<Op> ops);
    // Opens a new segment if there is none to write to. Success: the log can be written.
    base::Result<void> restore();
    // Seals the active segment, so that the next start need not scan it.
    void close();
    bool writable() const { return active_ != nullptr && !full_; }

    // ---- any thread
    enum class Parts : std::uint8_t { all, no_body };
    base::Result<StoredMessage> load(const base::Ulid& id, Parts parts = Parts::all);
    bool knows(const base::Ulid& id) const;
    Queue::Walked walk(std::uint64_t from, std::size_t places) const;
    std::optional<Entry> find(const base::Ulid& id) const;
    // The inline body where it stands, without looking at it. For a message that was written in this run.
    std::shared_ptr<const Body> inline_body_of(const base::Ulid& id) const;
    LogStats stats() const;
    // Copies the record of a message that cannot be read to corrupt/.
    void put_aside(const base::Ulid& id, std::string_view reason);

    // ---- the cleaner's
    // Frees the oldest segment if it may go, or forwards a batch of what lives in it. True: something was done,
    // call again.
    using Forward = std::function<Results(std::vector<Op>)>;
    using Freed = std::function<base::Result<void>(const std::shared_ptr<const Segment>&)>;
    struct CleanReport {
        bool progress = false;
        std::vector<base::Ulid> damaged;  // cannot be read: to be put aside
    };
    base::Result<CleanReport> clean_step(const Forward& forward, const Freed& freed);

private:
    struct Placed {  // what a round will have changed once it is durable
        enum class Kind { message, forward, state, done } kind;
        Entry entry;  // state: id and `state` count; done: id
    };
    struct Need {
        std::uint64_t stored = 0;
        std::uint64_t index = 0;
    };
    struct RawMessage {  // as the disk has it
        RecordHeader header;
        mail::Envelope envelope;
        std::string envelope_bytes;
        std::map<std::uint32_t, mail::RecipientState> states;
        std::optional<bool> frozen;
    };

    static Need need_of(const MessageOp& op);
    static Need need_of(const Op& op);
    static Need need_of(std::span<Op* const> ops);
    base::Result<bool> wanted(const Op& op) const;
    base::Result<void> open_next(std::uint64_t at_least);
    base::Result<void> make_room(std::span<Op* const> ops);
    base::Result<void> attempt(std::span<Op* const> ops);
    base::Result<void> write_round();
    void place(const MessageOp& op, std::vector<Placed>& placed);
    void place(StateOp& op, std::vector<Placed>& placed);
    void place(const ForwardOp& op, std::vector<Placed>& placed);
    Location newest_state(const base::Ulid& id, const std::vector<Placed>& placed) const;
    void happened(const std::vector<Placed>& placed);
    void born(Entry& entry);
    void dead(const Entry& entry);
    void retire();

    std::shared_ptr<const Segment> segment(std::uint32_t number) const;
    base::Result<RawMessage> read(const Entry& entry) const;
    base::Result<void> read_states(const Entry& entry, RawMessage& message) const;
    base::Result<std::shared_ptr<const Body>> open_body(const Entry& entry, const RecordHeader& header) const;
    base::Result<ForwardOp> make_forward(const Entry& entry) const;
    base::Result<CleanReport> forward_batch(std::uint32_t oldest, const Forward& forward);

    base::Disk& disk_;
    const Directories& dirs_;
    SegmentSupply& supply_;
    const base::Clock& clock_;
    const std::uint64_t segment_size_;

    mutable std::mutex mutex_;  // guards these; never held while the disk works
    Table table_;
    std::map<std::uint32_t, KnownSegment> segments_;
    std::uint64_t live_bytes_ = 0;   // bodies, big ones too
    std::uint64_t big_bytes_ = 0;    // big bodies
    std::uint64_t live_stored_ = 0;  // octets of live MESSAGEs in segments
    std::uint64_t rounds_ = 0;
    std::uint32_t active_number_ = 0;

    // The committer's alone.
    std::unique_ptr<SegmentWriter> active_;
    Lsn next_ = 1;
    Lsn durable_ = 0;
    AbortRange abort_{0, 0};  // rounds that failed and are not yet known aborted; from 0: none
    bool full_ = false;       // no further segment is to be had: only STATE and DONE go on

    // The cleaner's alone.
    std::uint32_t cleaning_ = 0;              // this segment's messages ...
    std::vector<base::Ulid> cleaning_left_;   // ... that are still to be forwarded
    std::shared_ptr<const Segment> freeing_;  // out of the map; the directory is not durable yet
};

}  // namespace posthorn::spool
