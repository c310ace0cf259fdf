// What operators see of an owner's messages, and what they may do to them.
#include <algorithm>

#include "delivery/owner.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {

namespace {

bool selects(const Selection& which, const Slot& slot) {
    switch (which.kind) {
        case Selection::Kind::ids:
        case Selection::Kind::everything: return true;
        case Selection::Kind::domain: return slot.domain->name == which.domain;
    }
    return false;
}

std::string sentence(Hold why, const Slot& slot) {
    const std::string& domain = slot.domain->name;
    switch (why) {
        case Hold::backoff: return "the last attempt failed; waits for its next try";
        case Hold::unreachable: return "no server of " + domain + " could be reached a moment ago";
        case Hold::bucket: return "the rate limit of " + domain + " is used up; waits for a token";
        case Hold::concurrency: return "all connections to " + domain + " are busy";
        case Hold::dns: return "the name servers are asked where mail for " + domain + " goes";
        case Hold::connecting: return "a connection is being opened";
        case Hold::in_flight: return "is being sent";
        case Hold::recording: return "the outcome of the last attempt is being recorded";
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
        at += std::chrono::ceil<std::chrono::milliseconds>(interval * static_cast<std::int64_t>(sequence - head));
    }
    return {why, at};
}

}  // namespace

RecipientView Owner::recipient_view(const Message& m, const Slot& slot) const {
    RecipientView view;
    view.index = slot.index;
    view.domain = slot.domain->name;
    view.status = slot.status;
    view.attempts = slot.attempts;
    if (!slot.pending()) {
        view.why = Hold::final;
    } else if (slot.phase == Phase::recording) {
        view.why = Hold::recording;
    } else if (slot.phase == Phase::dispatched) {
        const auto holds = [&](const JobPtr& job) {
            return std::ranges::binary_search(job->recipients, slot.index);
        };
        const auto job = std::ranges::find_if(m.jobs, holds);
        if (job != m.jobs.end() && (*job)->state == Job::State::waiting) {
            std::tie(view.why, view.next_try) = waiting_for(**job);
        } else if (job != m.jobs.end()) {
            view.why = (*job)->stage;
        }
    } else if (frozen(m, slot)) {
        view.why = Hold::frozen;
    } else if (stopped_) {
        view.why = Hold::stopping;
    } else {
        view.why = slot.next_try > now() ? Hold::backoff : Hold::none;
        view.next_try = std::max(slot.next_try, now());
    }
    view.why_text = sentence(view.why, slot);
    return view;
}

Owner::Row Owner::row(const Message& m) const {
    Row row;
    row.view.id = m.id;
    row.view.arrival = m.arrival;
    row.view.size = m.size;
    row.view.frozen = m.frozen;
    row.next_try = base::WallTime::max();
    for (const Slot& slot : m.slots) {
        row.view.recipients.push_back(recipient_view(m, slot));
        row.attempts = std::max<std::uint32_t>(row.attempts, slot.attempts);
        if (const auto& next = row.view.recipients.back().next_try) row.next_try = std::min(row.next_try, *next);
    }
    return row;
}

bool Owner::matches(const ListQuery& query, const Message& m) const {
    using State = ListQuery::State;
    if (query.arrived_before && m.arrival >= *query.arrived_before) return false;
    if (query.arrived_after && m.arrival <= *query.arrived_after) return false;
    const auto in_state = [&](const Slot& slot) {
        if (query.state == State::any) return true;
        if (!slot.pending()) return false;
        if (query.state == State::frozen) return frozen(m, slot);
        if (query.state == State::deferred) return slot.phase == Phase::idle && !frozen(m, slot);
        const auto holds = [&](const JobPtr& job) {
            return std::ranges::binary_search(job->recipients, slot.index);
        };
        const auto job = std::ranges::find_if(m.jobs, holds);
        if (job == m.jobs.end()) return false;
        const bool waits = (*job)->state == Job::State::waiting;
        return query.state == State::waiting ? waits : !waits;
    };
    return std::ranges::any_of(m.slots, [&](const Slot& slot) {
        return (query.domain.empty() || mail::domain_matches(query.domain, slot.domain->name)) && in_state(slot);
    });
}

bool Owner::before(const ListQuery& query, const Row& a, const Row& b) {
    const auto compare = [&]<class T>(const T& x, const T& y) {
        if (x != y) return query.descending ? y < x : x < y;
        return query.descending ? b.view.id < a.view.id : a.view.id < b.view.id;
    };
    switch (query.sort) {
        case ListQuery::Sort::next_try: return compare(a.next_try, b.next_try);
        case ListQuery::Sort::attempts: return compare(a.attempts, b.attempts);
        case ListQuery::Sort::size: return compare(a.view.size, b.view.size);
        case ListQuery::Sort::arrival: break;
    }
    return compare(a.view.arrival, b.view.arrival);
}

// Keeps no more rows than asked for, however long the queue is.
Owner::Rows Owner::collect(const ListQuery& query, std::size_t limit) const {
    Rows out;
    const auto less = [&](const Row& a, const Row& b) { return before(query, a, b); };
    messages_.walk(0, messages_.end(), [&](const Message& m) {
        if (!matches(query, m)) return;
        ++out.matched;
        out.rows.push_back(row(m));
        if (out.rows.size() < limit * 2 + 64) return;
        std::ranges::nth_element(out.rows, out.rows.begin() + static_cast<std::ptrdiff_t>(limit), less);
        out.rows.resize(limit);
    });
    std::ranges::sort(out.rows, less);
    if (out.rows.size() > limit) out.rows.resize(limit);
    return out;
}

std::optional<Owner::Row> Owner::find(const base::Ulid& id) const {
    const Message* const m = messages_.find(id);
    if (!m) return std::nullopt;
    return row(*m);
}

void Owner::count(Stats& stats) const {
    stats.messages += messages_.size();
    messages_.walk(0, messages_.end(), [&](const Message& m) {
        if (m.frozen) ++stats.frozen;
        std::uint64_t dispatched = 0;
        for (const Slot& slot : m.slots) {
            if (!slot.pending()) continue;
            ++stats.recipients_pending;
            if (slot.phase == Phase::dispatched) ++dispatched;
            if (slot.phase == Phase::idle && !frozen(m, slot)) ++stats.deferred;
        }
        for (const JobPtr& job : m.jobs) {
            if (job->state != Job::State::waiting) continue;
            stats.waiting += job->recipients.size();
            dispatched -= std::min<std::uint64_t>(dispatched, job->recipients.size());
        }
        stats.in_flight += dispatched;
    });
}

std::uint64_t Owner::covered(const Selection& which) const {
    std::uint64_t count = 0;
    messages_.walk(0, messages_.end(), [&](const Message& m) {
        if (std::ranges::any_of(m.slots, [&](const Slot& slot) { return selects(which, slot); })) ++count;
    });
    return count;
}

std::uint64_t Owner::retry(const Selection& which) {
    if (stopped_) return 0;
    std::vector<base::Ulid> hit;
    if (which.kind == Selection::Kind::ids) {
        std::ranges::copy_if(which.ids, std::back_inserter(hit), [&](const auto& id) { return knows(id); });
    } else {
        messages_.walk(0, messages_.end(), [&](const Message& m) { hit.push_back(m.id); });
    }
    std::uint64_t count = 0;
    for (const base::Ulid& id : hit) {
        Message* const m = messages_.find(id);
        if (!m) continue;
        bool any = false;
        for (Slot& slot : m->slots) {
            if (!slot.pending() || !selects(which, slot)) continue;
            any = true;
            slot.next_try = {};
            if (slot.phase == Phase::dispatched) ways_.wake(route_of(*slot.domain)->key);
        }
        if (!any) continue;
        ++count;
        dispatch(*m, nullptr, nullptr, true);
    }
    return count;
}

bool Owner::freeze(const base::Ulid& id, bool frozen, Ticket ticket) {
    Message* const known = messages_.find(id);
    if (!known) return false;
    Message& m = *known;
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

bool Owner::cancel(const base::Ulid& id, bool bounce, Ticket ticket) {
    Message* const m = messages_.find(id);
    if (!m) return false;
    const Removal removal = bounce ? Removal::bounce : Removal::silent;
    for (Slot& slot : m->slots) slot.removal = removal;
    take_back(*m, [](const Slot&) { return true; });
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
    return true;
}

}  // namespace posthorn::delivery
