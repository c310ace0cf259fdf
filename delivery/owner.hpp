// The owner of a shard's messages, on its loop: decides when each recipient is tried, what an outcome means, when it
// expires, which DSNs are owed, and alone records it. Its rules:
//
// - An outcome is durable before anything follows from it (events, a retry, forgetting the message).
// - One change of a message at a time (Message::busy); what comes meanwhile waits in the backlog.
// - A recipient in phase `dispatched` or `recording` is never dispatched: nothing is sent twice.
// - What can be decided from memory is done at once; what needs the envelope or former replies (expiry, DSNs,
//   cold outcomes) goes through one coroutine, revise(), that reads the message back.
// - Expiry, delay warnings and DSNs run from one heap of times and need no worker.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "delivery/frozen.hpp"
#include "delivery/gate.hpp"
#include "delivery/in_hand.hpp"
#include "delivery/job.hpp"
#include "delivery/message.hpp"
#include "delivery/message_table.hpp"
#include "delivery/operator.hpp"
#include "delivery/reporter.hpp"
#include "delivery/shared.hpp"
#include "delivery/wait.hpp"
#include "delivery/wake_heap.hpp"
#include "spool/queue.hpp"

namespace posthorn::delivery {

// Recipients that fail within this time of each other share a DSN.
inline constexpr base::Duration kDsnGather = std::chrono::minutes(1);

class Owner final : public spool::QueueOwner {
public:
    // How it reaches the destinations, on whatever loop they live.
    struct Ways {
        std::function<void(JobPtr, RoutePtr)> submit;
        std::function<void(const std::string& key)> wake;
    };

    Owner(std::shared_ptr<Shared> shared, net::Loop& loop, std::unique_ptr<base::Random> random,
          SettingsPtr settings, FrozenPtr frozen, Ways ways);

    // All on the owner's loop.
    void on_message(spool::QueuedMessage message) override;
    void on_result(JobResult result);
    void apply(SettingsPtr settings) { settings_ = std::move(settings); }
    void replan();  // after a reload: every time is computed anew, bit by bit
    void set_frozen(FrozenPtr frozen) { frozen_ = std::move(frozen); }  // for what starts from now; then refreeze()
    void stop();

    // For operators; see delivery/service.hpp. Nothing of it takes long: a walk looks at kTurn places at most and
    // tells where to go on, kWalked when that was all; the caller lets other work of the loop run in between.
    using Place = MessageTable::Place;
    static constexpr std::size_t kTurn = 500;
    static constexpr Place kWalked = ~Place{0};
    struct Key {
        std::int64_t order;  // what the query sorts by
        base::Ulid id;
    };
    Place select(const ListQuery& query, Place from, std::vector<Key>& into) const;
    Place count(Stats& stats, Place from) const;
    // What a change from `before` means for messages that wait.
    Place refreeze(const Frozen& before, Place from);
    // Without what only the envelope knows.
    std::optional<MessageView> view(const base::Ulid& id) const;
    // Each tells whether the message is known. `domain`: a pattern; recipients elsewhere are left alone. `under_way`:
    // some of it is in an attempt, and removed when that ends.
    void retry(std::span<const base::Ulid> ids, std::string_view domain, std::vector<base::Ulid>& known);
    // The ticket is held until it is durable, given up, or the message gone.
    bool freeze(const base::Ulid& id, bool frozen, OrderTicket ticket);
    Ordered::How cancel(const base::Ulid& id, bool bounce, std::string_view domain, OrderTicket ticket);
    // Its recipients that are pending and in no attempt go on as one message to `to`. `told` is filled in once that is
    // durable, before the ticket is gone; it stays empty where there is none such.
    using Told = std::shared_ptr<std::optional<Redirected>>;
    bool redirect(const base::Ulid& id, const mail::Address& to, OrderTicket ticket, Told told);
    bool knows(const base::Ulid& id) const { return messages_.contains(id); }
    std::size_t size() const { return messages_.size(); }

private:
    // A change on its way to the queue, and what is told once it is durable.
    struct Revision {
        spool::StateChange change;
        std::shared_ptr<const mail::Envelope> envelope;  // null: not read yet
        std::vector<RecipientReport> reports;
        std::vector<DsnKind> births;                       // parallel to change.births
        std::map<std::uint32_t, mail::DsnAction> reached;  // of whose success their sender is to hear, and how
        std::vector<spool::StateChange::Birth> onward;     // what goes on from aliases; behind the DSNs
        bool expire = false;                               // what revise() is to do
        bool flush_dsn = false;
        bool warn_delay = false;
        Removal remove = Removal::none;
        std::optional<mail::Address> redirect_to;
        Told told;                           // of whoever ordered that
        std::vector<std::uint32_t> targets;  // of `expire`, `remove` and `redirect_to`
        OrderTicket ticket;                  // of the operator who waits for it
        Ticket recorded;                     // of the connection that must not end its next message before
        base::Duration pause{};              // before the next try, after a failure
        Active active;
        explicit Revision(const std::shared_ptr<Shared>& shared) : active(shared) {}
    };
    using RevisionPtr = std::shared_ptr<Revision>;

    // owner.cpp: taking in, planning, dispatching
    void process(Message& m);
    void dispatch(Message& m, std::shared_ptr<const mail::Envelope> envelope,
                  std::shared_ptr<const spool::Body> body, bool urgent);
    void make_job(Message& m, const RoutePtr& route, OneOrMany<std::uint32_t> recipients,
                  const std::shared_ptr<const mail::Envelope>& envelope,
                  const std::shared_ptr<const spool::Body>& body, bool urgent);
    const RoutePtr& route_of(Domain& domain);
    bool frozen(const Message& m, const Slot& slot) const { return m.frozen || frozen_->covers(slot.domain->name); }
    bool holds_frozen(const Message& m) const;  // it, or a recipient that is pending
    std::vector<std::uint32_t> take_expired(Message& m, base::WallTime now);
    static Removal wanted_removal(const Message& m);
    static std::vector<std::uint32_t> take_removed(Message& m);
    static bool removal_waits(const Message& m);
    void note_removals(const Message& m);
    void take_back(Message& m, const std::function<bool(const Slot&)>& wanted);
    bool delay_due(const Message& m, base::WallTime now) const;
    base::WallTime next_event(const Message& m) const;
    void plan(Message& m);
    void arm();
    void run_due();
    void replan_some();
    base::WallTime now() const { return loop_.clock().wall(); }

    // owner_settle.cpp: outcomes
    void settle(Message& m, JobResult result);
    // What failed in one transaction comes back in one: the same pause for the same number of attempts.
    struct Pauses {
        std::uint32_t attempts = 0;
        base::Duration pause{};
    };
    mail::RecipientState decide(const Message& m, const Slot& slot, const smtp::RecipientResult& result,
                                Pauses& pauses) const;
    std::optional<DsnKind> owed(const mail::Envelope& envelope, const mail::RecipientState& state,
                                std::uint32_t index, bool succeeds) const;
    static std::vector<std::pair<std::string, std::string>> where(const base::Ulid& id, std::uint32_t index,
                                                                  const LocalEnd& end);
    bool others_active(const Message& m, std::span<const std::uint32_t> settled) const;
    void warm_up(JobResult result);
    net::Task<> warm_all();
    void commit(RevisionPtr revision);
    void recorded(RevisionPtr revision, const base::Result<void>& result);
    void run_backlog(Message& m);
    void forget(const base::Ulid& id, const base::Error& why);
    void erase(Message& m);
    void apply_durable(Message& m, const Revision& revision);
    void tell(const Revision& revision, Message& m);
    void when_free(Message& m, std::move_only_function<void(Message&)> fn);

    // owner_revise.cpp: changes that need the message read back
    void start_revise(Message& m, RevisionPtr revision);
    net::Task<> revise(RevisionPtr revision);
    net::Task<base::Result<spool::StoredMessage>> read_back(base::Ulid id);
    void give_up_reading(const RevisionPtr& r, Message& m, const base::Error& why);
    void end_recipients(Revision& r, const spool::StoredMessage& stored) const;
    net::Task<> add_dsns(RevisionPtr r, std::shared_ptr<spool::StoredMessage> stored);
    void add_dsn(Revision& r, const spool::StoredMessage& stored, std::uint64_t header_size, DsnKind kind,
                 const std::vector<std::uint32_t>& recipients) const;

    // owner_onward.cpp
    static base::Ulid onward_id(const base::Ulid& parent, std::uint32_t index);
    void add_onward(Revision& r, const JobResult& result, std::size_t at) const;

    // owner_redirect.cpp
    static base::Ulid redirected_id(const Revision& r);
    void add_redirected(Revision& r, const spool::StoredMessage& stored) const;

    // owner_operator.cpp
    using Waits = std::pair<Hold, std::optional<base::WallTime>>;
    Waits waits(const Message& m, const Slot& slot) const;
    RecipientView recipient_view(const Message& m, const Slot& slot) const;
    bool matches(const Selector& which, const Message& m) const;
    std::int64_t order(ListQuery::Sort sort, const Message& m) const;
    Place go_on(Place place) const { return place < messages_.end() ? place : kWalked; }

    std::shared_ptr<Shared> shared_;
    net::Loop& loop_;
    std::unique_ptr<base::Random> random_;
    SettingsPtr settings_;
    FrozenPtr frozen_;
    Ways ways_;
    DomainPool domains_;
    MessageTable messages_;
    WakeHeap wakes_;
    std::unordered_map<base::Ulid, std::deque<std::move_only_function<void(Message&)>>> backlog_;
    std::unordered_map<base::Ulid, Active> removals_;  // that wait for the end of an attempt: a stop waits, too

    net::TimerId timer_ = 0;
    base::WallTime timer_at_{};
    Place replan_from_ = kWalked;
    std::deque<JobResult> cold_;  // outcomes whose envelope must be read back first
    bool warming_ = false;
    std::vector<Ticket> never_recorded_;  // given up on at stop: their connections end nothing more
    bool stopped_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // timers that nobody cancels look whether it is
};

}  // namespace posthorn::delivery
