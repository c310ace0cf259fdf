// What an outcome means for a recipient, and how it becomes durable.
#include <algorithm>

#include "base/log.hpp"
#include "delivery/owner.hpp"
#include "mail/dsn.hpp"
#include "policy/backoff.hpp"
#include "store/store.hpp"

namespace posthorn::delivery {

namespace {

using Kind = mail::Outcome::Kind;
using mail::RecipientStatus;

constexpr base::Duration kFirstRecordPause = std::chrono::milliseconds(200);
constexpr base::Duration kLongestRecordPause = std::chrono::seconds(30);

// How the success of the recipient at `at` is told.
mail::DsnAction success_of(const JobResult& result, std::size_t at) {
    if (result.local.empty()) return mail::DsnAction::relayed;
    return result.local[at].success.value_or(mail::DsnAction::relayed);
}

}  // namespace

void Owner::on_result(JobResult result) {
    Message* const known = messages_.find(result.job->id);
    if (!known) return;
    const base::Ulid id = known->id;
    Message& m = *known;
    const InHand hand(shared_->deps.queue, loop_, id);
    if (!result.attempted) {
        m.jobs.erase_if([&](const JobPtr& job) { return job == result.job; });
        for (const std::uint32_t index : result.job->recipients) {
            Slot* slot = m.slot(index);
            if (slot && slot->phase == Phase::dispatched) slot->phase = Phase::idle;
        }
        process(m);
    } else {
        for (const std::uint32_t index : result.job->recipients) m.slot(index)->phase = Phase::recording;
        if (!result.envelope)
            warm_up(std::move(result));
        else
            when_free(m, [this, r = std::move(result)](Message& free) mutable { settle(free, std::move(r)); });
    }
    if (const Message* const still = messages_.find(id)) note_removals(*still);
}

// Outcomes of messages that were dropped from memory while they waited: one is read back at a time.
void Owner::warm_up(JobResult result) {
    cold_.push_back(std::move(result));
    if (std::exchange(warming_, true)) return;
    net::spawn(loop_, "delivery.warm", warm_all());
}

net::Task<> Owner::warm_all() {
    while (!cold_.empty()) {
        JobResult result = std::move(cold_.front());
        cold_.pop_front();
        const Active active(shared_);
        const base::Ulid id = result.job->id;
        auto stored = co_await read_back(id);
        Message* const m = messages_.find(id);
        if (!m) continue;
        if (stored) {
            result.envelope = std::make_shared<const mail::Envelope>(std::move(stored->envelope));
            result.body = std::move(stored->body);
        }
        when_free(*m, [this, r = std::move(result)](Message& free) mutable { settle(free, std::move(r)); });
    }
    warming_ = false;
}

void Owner::when_free(Message& m, std::move_only_function<void(Message&)> fn) {
    if (m.busy)
        backlog_[m.id].push_back(std::move(fn));
    else
        fn(m);
}

mail::RecipientState Owner::decide(const Message& m, const Slot& slot, const smtp::RecipientResult& result,
                                   Pauses& pauses) const {
    mail::RecipientState state;
    state.attempts = slot.attempts + 1;
    state.delay_warned = slot.delay_warned;
    state.last = result.outcome;
    const base::WallTime t = now();
    const policy::RetryPolicy& retry = settings_->config.retry;
    if (result.outcome.kind == Kind::delivered) {
        state.status = RecipientStatus::delivered;
    } else if (result.outcome.kind == Kind::permanent) {
        state.status = RecipientStatus::failed;
    } else if (slot.removal != Removal::none) {
        state.status = slot.removal == Removal::bounce ? RecipientStatus::failed : RecipientStatus::cancelled;
    } else if (result.one_too_many) {
        state.attempts = slot.attempts;  // nobody refused it: its turn had not come
    } else if (policy::given_up(retry, state.attempts, m.arrival, t)) {
        state.status = RecipientStatus::expired;
    } else {
        if (pauses.attempts != state.attempts) {
            pauses = Pauses{state.attempts, policy::retry_delay(retry, state.attempts, *random_)};
        }
        state.next_try = t + std::chrono::ceil<std::chrono::milliseconds>(pauses.pause);
    }
    return state;
}

// Where it is now, for those who read logs.
std::vector<std::pair<std::string, std::string>> Owner::where(const base::Ulid& id, std::uint32_t index,
                                                              const LocalEnd& end) {
    std::vector<std::pair<std::string, std::string>> out;
    if (!end.account.empty()) {
        out.emplace_back("account", end.account);
        out.emplace_back("mailbox", end.mailbox);
    }
    if (!end.onward.empty()) out.emplace_back("goes_on_as", onward_id(id, index).to_string());
    return out;
}

// What the sender is to be told about a recipient's end, if anything.
std::optional<DsnKind> Owner::owed(const mail::Envelope& envelope, const mail::RecipientState& state,
                                   std::uint32_t index, bool succeeds) const {
    if (!settings_->config.dsn.enabled) return std::nullopt;
    const mail::Recipient& recipient = envelope.recipients.at(index);
    const auto wants = [&](mail::DsnAction action) {
        return mail::dsn_owed(envelope.reverse_path, recipient, action);
    };
    switch (state.status) {
        case RecipientStatus::delivered:
            if (succeeds && wants(mail::DsnAction::relayed)) return DsnKind::success;
            return std::nullopt;
        case RecipientStatus::failed:
        case RecipientStatus::expired:
            if (wants(mail::DsnAction::failed)) return DsnKind::failure;
            return std::nullopt;
        default: return std::nullopt;
    }
}

// Will other recipients of the message come to an end soon, so that a DSN should wait for them?
bool Owner::others_active(const Message& m, std::span<const std::uint32_t> settled) const {
    const base::WallTime soon = now() + std::chrono::floor<std::chrono::milliseconds>(kDsnGather);
    return std::ranges::any_of(m.slots, [&](const Slot& slot) {
        if (!slot.pending() || std::ranges::find(settled, slot.index) != settled.end()) return false;
        return slot.phase != Phase::idle || (slot.next_try <= soon && !frozen(m, slot));
    });
}

void Owner::settle(Message& m, JobResult result) {
    m.jobs.erase_if([&](const JobPtr& job) { return job == result.job; });
    auto revision = std::make_shared<Revision>(shared_);
    revision->change.id = m.id;
    revision->envelope = result.envelope;
    revision->recorded = std::move(result.recorded);
    std::vector<std::uint32_t> settled;
    bool owes = false;
    Pauses pauses;
    for (std::size_t i = 0; i < result.recipients.size(); ++i) {
        const std::uint32_t index = result.job->recipients[i];
        const smtp::RecipientResult& answer = result.recipients[i];
        Slot& slot = *m.slot(index);
        mail::RecipientState state = decide(m, slot, answer, pauses);
        if (answer.one_too_many && !mail::is_final(state.status)) {
            slot.phase = Phase::idle;  // nothing happened to it: its turn is still to come
            continue;
        }
        settled.push_back(index);
        if (mail::is_final(state.status)) {
            const bool succeeds = state.status == RecipientStatus::delivered && !answer.dsn_passed_on;
            // Without the envelope nobody knows: revise() looks again.
            const bool due = result.envelope ? owed(*result.envelope, state, index, succeeds).has_value()
                                             : !m.null_sender && state.status != RecipientStatus::delivered;
            state.dsn_done = !due;
            owes = owes || due;
            if (due && succeeds) revision->reached.emplace(index, success_of(result, i));
            const bool onward = !result.local.empty() && !result.local[i].onward.empty();
            if (onward && state.status == RecipientStatus::delivered) add_onward(*revision, result, i);
        }
        RecipientReport report;
        report.index = index;
        report.state = state;
        report.entered = result.job->entered;
        report.started = result.started;
        report.connecting = result.connecting;
        report.transmitting = result.transmitting;
        report.bytes = result.bytes;
        report.dialogue = result.dialogue;
        report.trail = result.trail;
        report.tells_trail = i == 0;
        if (!result.local.empty()) report.where = where(m.id, index, result.local[i]);
        revision->reports.push_back(std::move(report));
        revision->change.recipients.push_back({index, std::move(state)});
    }
    if (settled.size() < result.recipients.size()) dispatch(m, result.envelope, result.body, false);
    const bool waits_for_others = others_active(m, settled);
    const bool owed_before = m.dsn_flush != base::WallTime{};
    // A success DSN depends on what only this outcome knows: it is made with it.
    revision->flush_dsn = (owes && !revision->reached.empty()) || ((owes || owed_before) && !waits_for_others);
    if (owes && !revision->flush_dsn && !owed_before) {
        m.dsn_flush = now() + std::chrono::floor<std::chrono::milliseconds>(kDsnGather);
    }
    if (revision->flush_dsn) {
        start_revise(m, std::move(revision));
        return;
    }
    m.busy = true;
    commit(std::move(revision));
}

// Hands the change to the queue. Meanwhile the message is busy; nothing of the change counts before it is durable.
void Owner::commit(RevisionPtr revision) {
    const Message& m = *messages_.find(revision->change.id);
    std::size_t finished = 0;
    for (const auto& update : revision->change.recipients) {
        if (mail::is_final(update.state.status) && update.state.dsn_done) ++finished;
    }
    revision->change.done = finished == m.slots.size();
    std::ranges::move(std::exchange(revision->onward, {}), std::back_inserter(revision->change.births));
    spool::StateChange copy = revision->change;
    shared_->deps.queue.record(std::move(copy),
                               [this, revision = std::move(revision)](base::Result<void> result) mutable {
                                   recorded(std::move(revision), result);
                               });
}

void Owner::recorded(RevisionPtr revision, const base::Result<void>& result) {
    if (!result && result.error().kind == base::ErrorKind::permanent) {
        forget(revision->change.id, result.error());
        return;
    }
    if (!result) {
        shared_->metrics.record_failures.add();
        if (revision->pause == base::Duration{}) {
            base::log::error("delivery.record_failed",
                             {{"message_id", revision->change.id.to_string()}, {"msg", result.error().log_text}});
        }
        // Once stopped the outcome is lost to this run; the next start tries the recipient again.
        if (stopped_ && revision->pause > base::Duration{}) {
            if (revision->ticket) revision->ticket->given_up = true;
            never_recorded_.push_back(std::move(revision->recorded));
            return;
        }
        revision->pause = std::clamp(revision->pause * 2, kFirstRecordPause, kLongestRecordPause);
        const base::Duration pause = revision->pause;
        loop_.call_after(pause, [this, alive = std::weak_ptr(alive_), revision = std::move(revision)]() mutable {
            if (!alive.expired()) commit(std::move(revision));
        });
        return;
    }
    revision->recorded.reset();
    Message* const known = messages_.find(revision->change.id);
    if (!known) return;
    Message& m = *known;
    const InHand hand(shared_->deps.queue, loop_, m.id);
    tell(*revision, m);
    if (revision->change.done) {
        report_done(*shared_, m.id, m.arrival, now());
        erase(m);
    } else {
        apply_durable(m, *revision);
        m.busy = false;
        run_backlog(m);
        process(m);
    }
}

void Owner::erase(Message& m) {
    const base::Ulid id = m.id;
    wakes_.remove(m);
    backlog_.erase(id);
    removals_.erase(id);
    messages_.erase(id);
    if (auto* store = shared_->deps.store) store->settled(id);
}

// The message is free again: what has waited for that has its turn, one change at a time.
void Owner::run_backlog(Message& m) {
    while (!m.busy) {
        const auto waiting = backlog_.find(m.id);
        if (waiting == backlog_.end()) break;
        auto next = std::move(waiting->second.front());
        waiting->second.pop_front();
        if (waiting->second.empty()) backlog_.erase(waiting);
        next(m);
    }
}

// The queue has it no more: it was damaged and put aside, or removed. Nothing can be recorded about it ever again.
void Owner::forget(const base::Ulid& id, const base::Error& why) {
    Message* const m = messages_.find(id);
    if (!m) return;
    base::log::error("delivery.message_gone", {{"message_id", id.to_string()}, {"msg", why.log_text}});
    take_back(*m, [](const Slot&) { return true; });
    erase(*m);
}

// What a revision reports about it decided; of the others it only says that a DSN has gone out.
void Owner::apply_durable(Message& m, const Revision& revision) {
    for (const auto& [index, state] : revision.change.recipients) {
        Slot* slot = m.slot(index);
        if (!slot) continue;
        if (mail::is_final(state.status) && state.dsn_done) {
            m.slots.erase(slot);
            continue;
        }
        slot->delay_warned = state.delay_warned;
        if (std::ranges::find(revision.reports, index, &RecipientReport::index) == revision.reports.end()) continue;
        slot->status = state.status;
        slot->attempts = static_cast<std::uint16_t>(state.attempts);
        slot->next_try = state.next_try;
        slot->phase = Phase::idle;
    }
    // The last order counts: an unfreeze that becomes durable behind a newer freeze lets nothing out.
    if (revision.change.frozen && --m.freezes == 0) m.frozen = *revision.change.frozen;
    const bool owes = std::ranges::any_of(m.slots, [](const Slot& slot) { return !slot.pending(); });
    if (!owes)
        m.dsn_flush = {};
    else if (m.dsn_flush == base::WallTime{})
        m.dsn_flush = now() + std::chrono::floor<std::chrono::milliseconds>(kDsnGather);
}

void Owner::tell(const Revision& revision, Message& m) {
    for (const RecipientReport& report : revision.reports) {
        const Slot* slot = m.slot(report.index);
        const std::string_view domain = slot ? std::string_view(slot->domain->name) : std::string_view();
        report_recipient(*shared_, revision.change.id, revision.envelope.get(), domain, now(), report);
        const bool failed =
            report.state.status == RecipientStatus::failed || report.state.status == RecipientStatus::expired;
        if (failed && m.null_sender) {
            shared_->metrics.double_bounces.add();
            base::log::warning("delivery.double_bounce",
                               {{"message_id", revision.change.id.to_string()},
                                {"domain", domain},
                                {"enhanced_code", report.state.last.status},
                                {"msg", "a notification could not be delivered and is dropped"}});
        }
    }
    for (std::size_t i = 0; i < revision.births.size(); ++i) {
        report_dsn(*shared_, revision.change.id, revision.change.births[i].envelope, revision.births[i], now());
    }
    if (revision.told) revision.told->emplace(Redirected{redirected_id(revision), revision.targets.size()});
    if (revision.change.frozen) {
        report_message(*shared_, *revision.change.frozen ? mail::EventKind::frozen : mail::EventKind::unfrozen,
                       revision.change.id, now(), {});
    }
}

}  // namespace posthorn::delivery
