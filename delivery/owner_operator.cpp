// What operators see of an owner's messages, and what they may do to them.
#include <algorithm>
#include <set>
#include <tuple>

#include "delivery/owner.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {

namespace {

std::string sentence(Hold why, const Slot& slot) {
    const std::string& domain = slot.domain->name;
    switch (why) {
        case Hold::held: return "its sender wants it to be sent later (FUTURERELEASE)";
        case Hold::backoff: return "the last attempt failed; waits for its next try";
        case Hold::unreachable: return "no server of " + domain + " could be reached a moment ago";
        case Hold::bucket: return "the rate limit of " + domain + " is used up; waits for a token";
        case Hold::concurrency: return "all connections to " + domain + " are busy";
        case Hold::dns: return "the name servers are asked where mail for " + domain + " goes";
        case Hold::connecting: return "a connection is being opened";
        case Hold::in_flight: return "is being sent";
        case Hold::recording: return "the outcome of the last attempt is being recorded";
        case Hold::unrecorded:
            return "what became of an earlier message to " + domain + " could not be recorded yet; see the spool";
        case Hold::frozen: return "frozen by an operator";
        case Hold::stopping: return "the server is stopping";
        case Hold::none: return "is about to be tried";
        case Hold::final: return "nothing left to do";
    }
    return {};
}

// A job that waits: the destination's board says why, and from its place in the line follows when.
std::pair<Hold, std::optional<base::WallTime>> waiting_for(const Job& job) {
    const std::uint64_t sequence = job.sequence;
    if (sequence == 0) return {Hold::none, std::nullopt};
    const std::shared_ptr<const Board>& board = job.board;
    const Hold why = board->why;
    const std::int64_t until = board->until_ms;
    if (until == 0) return {why, std::nullopt};
    base::WallTime at = base::from_ms(until);
    const std::uint64_t head = board->head;
    if (sequence > head) {
        const base::Duration interval{board->interval_ns};
        const auto ahead = static_cast<std::int64_t>(sequence - head);
        // A time that far away, as of a long line at a rate of next to nothing, is none.
        constexpr base::Duration kFarthest = std::chrono::hours(24) * 365 * 50;
        if (interval.count() > 0 && ahead > kFarthest / interval) return {why, std::nullopt};
        at += std::chrono::ceil<std::chrono::milliseconds>(interval * ahead);
    }
    return {why, at};
}

}  // namespace

// What a pending recipient waits for, and until when if that is known.
Owner::Waits Owner::waits(const Message& m, const Slot& slot) const {
    if (slot.phase == Phase::recording) return {Hold::recording, std::nullopt};
    if (slot.phase == Phase::dispatched) {
        const auto holds = [&](const JobPtr& job) {
            return std::ranges::binary_search(job->recipients, slot.index);
        };
        const auto job = std::ranges::find_if(m.jobs, holds);
        if (job == m.jobs.end()) return {Hold::none, std::nullopt};
        if ((*job)->state == Job::State::waiting)
            return frozen(m, slot) ? Waits{Hold::frozen, std::nullopt} : waiting_for(**job);
        return {(*job)->stage, std::nullopt};
    }
    if (frozen(m, slot)) return {Hold::frozen, std::nullopt};
    const base::WallTime t = now();
    if (stopped_) return {Hold::stopping, std::nullopt};
    if (slot.next_try <= t) return {Hold::none, t};
    return {slot.attempts == 0 ? Hold::held : Hold::backoff, slot.next_try};
}

RecipientView Owner::recipient_view(const Message& m, const Slot& slot) const {
    RecipientView view;
    view.index = slot.index;
    view.domain = slot.domain->name;
    view.status = slot.status;
    view.attempts = slot.attempts;
    if (slot.pending())
        std::tie(view.why, view.next_try) = waits(m, slot);
    else
        view.why = Hold::final;
    view.why_text = sentence(view.why, slot);
    return view;
}

std::optional<MessageView> Owner::view(const base::Ulid& id) const {
    const Message* const m = messages_.find(id);
    if (!m) return std::nullopt;
    MessageView view;
    view.id = m->id;
    view.arrival = m->arrival;
    view.size = m->size;
    view.frozen = holds_frozen(*m);
    for (const Slot& slot : m->slots) view.recipients.push_back(recipient_view(*m, slot));
    return view;
}

bool Owner::matches(const Selector& which, const Message& m) const {
    using Status = Selector::Status;
    if (which.arrived_before && m.arrival >= *which.arrived_before) return false;
    if (which.arrived_after && m.arrival <= *which.arrived_after) return false;
    const base::WallTime t = now();
    const auto is = [&](const Slot& slot) {
        if (which.status == Status::any) return true;
        if (!slot.pending()) return which.status == Status::failed;
        if (which.status == Status::frozen) return frozen(m, slot);
        if (slot.phase == Phase::recording) return which.status == Status::in_flight;
        if (slot.phase == Phase::idle) {
            if (frozen(m, slot)) return false;
            return which.status == (slot.next_try > t ? Status::deferred : Status::pending);
        }
        const bool started = std::ranges::any_of(m.jobs, [&](const JobPtr& job) {
            return job->state != Job::State::waiting && std::ranges::binary_search(job->recipients, slot.index);
        });
        return which.status == (started ? Status::in_flight : Status::pending);
    };
    return std::ranges::any_of(m.slots, [&](const Slot& slot) {
        return (which.domain.empty() || mail::domain_matches(which.domain, slot.domain->name)) && is(slot);
    });
}

std::int64_t Owner::order(ListQuery::Sort sort, const Message& m) const {
    switch (sort) {
        case ListQuery::Sort::arrival: return base::to_ms(m.arrival);
        case ListQuery::Sort::size: return static_cast<std::int64_t>(m.size);
        case ListQuery::Sort::attempts: {
            std::int64_t most = 0;
            for (const Slot& slot : m.slots) most = std::max<std::int64_t>(most, slot.attempts);
            return most;
        }
        case ListQuery::Sort::next_try: break;
    }
    base::WallTime next = base::WallTime::max();
    for (const Slot& slot : m.slots) {
        if (!slot.pending()) continue;
        if (const auto at = waits(m, slot).second) next = std::min(next, *at);
    }
    return base::to_ms(next);
}

Owner::Place Owner::select(const ListQuery& query, Place from, std::vector<Key>& into) const {
    return go_on(messages_.walk(from, kTurn, [&](const Message& m) {
        if (matches(query.which, m)) into.push_back({order(query.sort, m), m.id});
    }));
}

Owner::Place Owner::count(Stats& stats, Place from) const {
    const base::WallTime t = now();
    return go_on(messages_.walk(from, kTurn, [&](const Message& m) {
        ++stats.messages;
        if (holds_frozen(m)) ++stats.frozen;
        std::uint64_t dispatched = 0;
        for (const Slot& slot : m.slots) {
            if (!slot.pending()) continue;
            ++stats.recipients_pending;
            if (slot.phase == Phase::dispatched) ++dispatched;
            if (slot.phase == Phase::idle && !frozen(m, slot))
                ++(slot.next_try > t ? stats.deferred : stats.waiting);
        }
        for (const JobPtr& job : m.jobs) {
            if (job->state != Job::State::waiting) continue;
            stats.waiting += job->recipients.size();
            dispatched -= std::min<std::uint64_t>(dispatched, job->recipients.size());
        }
        stats.in_flight += dispatched;
    }));
}

bool Owner::holds_frozen(const Message& m) const {
    return m.frozen || std::ranges::any_of(m.slots, [&](const Slot& s) { return s.pending() && frozen(m, s); });
}

Owner::Place Owner::refreeze(const Frozen& before, Place from) {
    return go_on(messages_.walk(from, kTurn, [&](Message& m) {
        const bool touched = std::ranges::any_of(m.slots, [&](const Slot& slot) {
            return before.covers(slot.domain->name) != frozen_->covers(slot.domain->name);
        });
        if (!touched) return;
        take_back(m, [&](const Slot& slot) { return frozen_->covers(slot.domain->name); });
        wakes_.remove(m);
        plan(m);
    }));
}

void Owner::retry(std::span<const base::Ulid> ids, std::string_view domain, std::vector<base::Ulid>& known) {
    std::set<std::string> waiting_at;  // destinations that hold something of it
    for (const base::Ulid& id : ids) {
        Message* const m = messages_.find(id);
        if (!m) continue;
        known.push_back(id);
        if (stopped_) continue;
        for (Slot& slot : m->slots) {
            if (!slot.pending()) continue;
            if (!domain.empty() && !mail::domain_matches(domain, slot.domain->name)) continue;
            slot.next_try = {};
            if (slot.phase == Phase::dispatched) waiting_at.insert(route_of(*slot.domain)->key);
        }
        dispatch(*m, nullptr, nullptr, true);
    }
    for (const std::string& key : waiting_at) ways_.wake(key);
}

bool Owner::freeze(const base::Ulid& id, bool frozen, OrderTicket ticket) {
    Message* const known = messages_.find(id);
    if (!known) return false;
    Message& m = *known;
    ++m.freezes;
    if (frozen) {
        m.frozen = true;
        take_back(m, [](const Slot&) { return true; });
    }
    when_free(m, [this, id, frozen, ticket = std::move(ticket)](Message& free) mutable {
        auto revision = std::make_shared<Revision>(shared_);
        revision->change.id = id;
        revision->change.frozen = frozen;
        revision->ticket = std::move(ticket);
        free.busy = true;
        commit(std::move(revision));
    });
    return true;
}

Ordered::How Owner::cancel(const base::Ulid& id, bool bounce, std::string_view domain, OrderTicket ticket) {
    Message* const m = messages_.find(id);
    if (!m) return Ordered::How::unknown;
    const Removal removal = bounce ? Removal::bounce : Removal::silent;
    for (Slot& slot : m->slots) {
        if (domain.empty() || mail::domain_matches(domain, slot.domain->name)) slot.removal = removal;
    }
    take_back(*m, [](const Slot& slot) { return slot.removal != Removal::none; });
    note_removals(*m);
    const auto answer = removal_waits(*m) ? Ordered::How::under_way : Ordered::How::done;
    when_free(*m, [this, id, removal, ticket = std::move(ticket)](Message& free) mutable {
        auto revision = std::make_shared<Revision>(shared_);
        revision->change.id = id;
        revision->remove = removal;
        revision->targets = take_removed(free);
        if (revision->targets.empty()) return;
        revision->flush_dsn = !others_active(free, revision->targets);
        revision->ticket = std::move(ticket);
        start_revise(free, std::move(revision));
    });
    return answer;
}

}  // namespace posthorn::delivery
