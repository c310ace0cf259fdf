#include "delivery/owner.hpp"

#include <algorithm>

namespace posthorn::delivery {

namespace {

// The wall clock may jump: it is looked at this often.
constexpr base::Duration kLongestSleep = std::chrono::minutes(1);
// Messages whose time has come in one go, before other work of the loop runs.
constexpr int kDueAtOnce = 500;

}  // namespace

Owner::Owner(std::shared_ptr<Shared> shared, net::Loop& loop, std::unique_ptr<base::Random> random,
             SettingsPtr settings, FrozenPtr frozen, Ways ways)
    : shared_(std::move(shared)),
      loop_(loop),
      random_(std::move(random)),
      settings_(std::move(settings)),
      frozen_(std::move(frozen)),
      ways_(std::move(ways)) {}

void Owner::on_message(spool::QueuedMessage queued) {
    const InHand hand(shared_->deps.queue, loop_, queued.id);
    const auto [known, fresh] = messages_.insert(queued.id);
    if (!fresh) return;  // told twice
    Message& m = *known;
    m.arrival = std::max(queued.arrival, queued.hold_until);
    m.size = queued.size;
    m.null_sender = queued.null_sender;
    m.frozen = queued.frozen;
    for (const spool::RecipientSummary& r : queued.recipients) {
        if (mail::is_final(r.status) && r.dsn_done) continue;
        Slot slot;
        slot.domain = domains_.get(r.domain);
        slot.next_try = std::max(r.next_try, queued.hold_until);
        slot.index = r.index;
        slot.attempts = static_cast<std::uint16_t>(r.attempts);
        slot.status = r.status;
        slot.delay_warned = r.delay_warned;
        if (!slot.pending()) m.dsn_flush = now();  // owed since before the restart
        m.slots.push_back(std::move(slot));
    }
    if (m.slots.empty()) {
        auto revision = std::make_shared<Revision>(shared_);
        revision->change.id = queued.id;
        m.busy = true;
        commit(std::move(revision));
        return;
    }
    if (queued.envelope) dispatch(m, std::move(queued.envelope), std::move(queued.body), false);
    plan(m);
}

// Everything whose time has come for one message.
void Owner::process(Message& m) {
    const base::Ulid id = m.id;
    const base::WallTime t = now();
    // At a stop only what an operator was told of is still done.
    if (stopped_ && wanted_removal(m) == Removal::none) return;
    if (!m.busy && !m.slots.empty()) {
        auto revision = std::make_shared<Revision>(shared_);
        revision->change.id = id;
        revision->remove = wanted_removal(m);
        const bool ends = revision->remove != Removal::none;
        revision->targets = ends ? take_removed(m) : take_expired(m, t);
        revision->expire = !ends && !revision->targets.empty();
        revision->flush_dsn = m.dsn_flush != base::WallTime{} && m.dsn_flush <= t;
        if (!revision->targets.empty() && !others_active(m, revision->targets)) revision->flush_dsn = true;
        revision->warn_delay = revision->targets.empty() && delay_due(m, t);
        if (!revision->targets.empty() || revision->flush_dsn || revision->warn_delay) {
            start_revise(m, std::move(revision));
            if (!messages_.contains(id)) return;
        }
    }
    dispatch(m, nullptr, nullptr, false);
    plan(m);
}

const RoutePtr& Owner::route_of(Domain& domain) {
    const bool local = shared_->is_local(domain.name);
    if (domain.routed_under != settings_->generation || domain.local != local) {
        domain.route = std::make_shared<const policy::Route>(settings_->routing.route(domain.name, local));
        domain.routed_under = settings_->generation;
        domain.local = local;
    }
    return domain.route;
}

// Makes jobs of all recipients that may be tried now: one for each destination and each max_recipients of it.
void Owner::dispatch(Message& m, std::shared_ptr<const mail::Envelope> envelope,
                     std::shared_ptr<const spool::Body> body, bool urgent) {
    if (stopped_) return;
    const base::WallTime t = now();
    OneOrMany<std::pair<const policy::Route*, std::uint32_t>> due;
    const RoutePtr* first = nullptr;
    bool same = true;
    for (Slot& slot : m.slots) {
        if (!slot.pending() || slot.phase != Phase::idle || slot.next_try > t || frozen(m, slot)) continue;
        if (slot.removal != Removal::none) continue;
        const RoutePtr& route = route_of(*slot.domain);
        if (!first) first = &route;
        same = same && route->key == (*first)->key;
        due.push_back({route.get(), slot.index});
    }
    if (due.empty()) return;
    if (!same) {
        std::ranges::stable_sort(due, {}, [](const auto& d) -> const std::string& { return d.first->key; });
    }
    for (std::size_t i = 0; i < due.size();) {
        const policy::Route& group = *due[i].first;
        OneOrMany<std::uint32_t> recipients;
        const RoutePtr route = m.slot(due[i].second)->domain->route;
        while (i < due.size() && due[i].first->key == group.key &&
               recipients.size() < std::max(group.max_recipients, 1U)) {
            recipients.push_back(due[i++].second);
        }
        make_job(m, route, std::move(recipients), envelope, body, urgent);
    }
}

void Owner::make_job(Message& m, const RoutePtr& route, OneOrMany<std::uint32_t> recipients,
                     const std::shared_ptr<const mail::Envelope>& envelope,
                     const std::shared_ptr<const spool::Body>& body, bool urgent) {
    auto job = std::make_shared<Job>();
    job->id = m.id;
    job->shard = static_cast<std::uint16_t>(loop_.index());
    job->urgent = urgent;
    job->entered = now();
    job->envelope = envelope;
    job->body = body;
    for (const std::uint32_t index : recipients) m.slot(index)->phase = Phase::dispatched;
    job->recipients = std::move(recipients);
    m.jobs.push_back(job);
    ways_.submit(std::move(job), route);
}

// Is something of it in an attempt that an operator wants removed?
bool Owner::removal_waits(const Message& m) {
    return std::ranges::any_of(m.slots, [](const Slot& slot) {
        return slot.pending() && slot.phase == Phase::dispatched && slot.removal != Removal::none;
    });
}

void Owner::note_removals(const Message& m) {
    if (!removal_waits(m))
        removals_.erase(m.id);
    else
        removals_.try_emplace(m.id, shared_);
}

// What an operator asked for while an attempt was under way that came to nothing.
Removal Owner::wanted_removal(const Message& m) {
    for (const Slot& slot : m.slots) {
        if (slot.removal != Removal::none && slot.pending() && slot.phase == Phase::idle) return slot.removal;
    }
    return Removal::none;
}

std::vector<std::uint32_t> Owner::take_removed(Message& m) {
    std::vector<std::uint32_t> targets;
    for (Slot& slot : m.slots) {
        if (slot.removal == Removal::none || !slot.pending() || slot.phase != Phase::idle) continue;
        slot.phase = Phase::recording;
        targets.push_back(slot.index);
    }
    return targets;
}

// Recipients too old that are in no attempt; jobs that only wait are taken back for it.
std::vector<std::uint32_t> Owner::take_expired(Message& m, base::WallTime t) {
    std::vector<std::uint32_t> expired;
    if (t - m.arrival < settings_->config.retry.max_age) return expired;
    take_back(m, [&](const Slot& slot) { return !frozen(m, slot); });
    for (Slot& slot : m.slots) {
        if (!slot.pending() || slot.phase != Phase::idle || frozen(m, slot)) continue;
        slot.phase = Phase::recording;
        expired.push_back(slot.index);
    }
    return expired;
}

// Takes back the waiting jobs that hold a recipient which is `wanted`.
void Owner::take_back(Message& m, const std::function<bool(const Slot&)>& wanted) {
    m.jobs.erase_if([&](const JobPtr& job) {
        const bool hit = std::ranges::any_of(job->recipients, [&](std::uint32_t index) {
            const Slot* slot = m.slot(index);
            return slot && wanted(*slot);
        });
        if (!hit || !job->revoke()) return false;
        for (const std::uint32_t index : job->recipients) m.slot(index)->phase = Phase::idle;
        return true;
    });
}

bool Owner::delay_due(const Message& m, base::WallTime t) const {
    const DsnConfig& dsn = settings_->config.dsn;
    if (!dsn.enabled || dsn.delay_warning <= base::Duration{} || m.null_sender) return false;
    if (t - m.arrival < dsn.delay_warning) return false;
    return std::ranges::any_of(
        m.slots, [&](const Slot& s) { return s.pending() && !s.delay_warned && s.phase != Phase::recording; });
}

// When the message must be looked at next; the zero time: nothing but an outcome or an operator will move it.
base::WallTime Owner::next_event(const Message& m) const {
    const Config& config = settings_->config;
    const auto at = [&](base::Duration age) {
        return m.arrival + std::chrono::ceil<std::chrono::milliseconds>(age);
    };
    base::WallTime next = base::WallTime::max();
    if (m.dsn_flush != base::WallTime{}) next = m.dsn_flush;
    const bool warns = config.dsn.enabled && config.dsn.delay_warning > base::Duration{} && !m.null_sender;
    for (const Slot& slot : m.slots) {
        if (!slot.pending() || frozen(m, slot)) continue;
        if (slot.phase == Phase::idle && slot.removal == Removal::none)
            next = std::min(next, std::max(slot.next_try, m.arrival));  // zero: at once
        next = std::min(next, at(config.retry.max_age));
        if (warns && !slot.delay_warned) next = std::min(next, at(config.dsn.delay_warning));
    }
    return next == base::WallTime::max() ? base::WallTime{} : next;
}

void Owner::plan(Message& m) {
    if (m.busy) return;  // planned when that is recorded
    base::WallTime next = next_event(m);
    if (next == base::WallTime{}) {
        wakes_.remove(m);
        return;
    }
    const base::WallTime t = now();
    // What is overdue and still here waits for an attempt under way (age) or for its turn in the loop.
    if (next <= t) next = t + (m.jobs.empty() ? std::chrono::milliseconds(0) : std::chrono::milliseconds(10'000));
    if (m.wake > t && m.wake <= next) return;
    wakes_.set(m, next);
    arm();
}

void Owner::arm() {
    if (wakes_.empty() || stopped_) return;
    const base::WallTime at = wakes_.first().wake;
    if (timer_ != 0 && timer_at_ <= at) return;
    if (timer_ != 0) loop_.cancel(timer_);
    timer_at_ = at;
    const base::Duration delay = std::clamp<base::Duration>(at - now(), base::Duration{}, kLongestSleep);
    timer_ = loop_.call_after(delay, [this] {
        timer_ = 0;
        run_due();
    });
}

void Owner::run_due() {
    const base::WallTime t = now();
    for (int n = 0; n < kDueAtOnce && !wakes_.empty() && wakes_.first().wake <= t; ++n) {
        Message& m = wakes_.first();
        wakes_.remove(m);
        const InHand hand(shared_->deps.queue, loop_, m.id);
        process(m);
    }
    arm();
}

// A second reload meanwhile begins again.
void Owner::replan() {
    const bool under_way = replan_from_ != kWalked;
    replan_from_ = 0;
    if (!under_way) replan_some();
}

void Owner::replan_some() {
    if (stopped_) return;
    replan_from_ = go_on(messages_.walk(replan_from_, kTurn, [this](Message& m) {
        wakes_.remove(m);
        plan(m);
    }));
    if (replan_from_ == kWalked) return;
    loop_.post([this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) replan_some();
    });
}

void Owner::stop() {
    stopped_ = true;
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
}

}  // namespace posthorn::delivery
