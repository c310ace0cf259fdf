// Changes that need the message read back from the queue: expiry, removal by an operator, DSNs.
#include <algorithm>

#include "base/log.hpp"
#include "delivery/owner.hpp"
#include "mail/dsn.hpp"
#include "net/pool.hpp"

namespace posthorn::delivery {

namespace {

using mail::RecipientStatus;

constexpr int kReadTries = 5;
constexpr base::Duration kReadPause = std::chrono::seconds(1);
constexpr std::chrono::minutes kReadLater{10};

// The state of a recipient as this revision leaves it so far.
mail::RecipientState& state_in(spool::StateChange& change, const spool::StoredMessage& stored,
                               std::uint32_t index) {
    const auto at = std::ranges::find(change.recipients, index, &spool::RecipientUpdate::index);
    if (at != change.recipients.end()) return at->state;
    change.recipients.push_back({index, stored.recipients.at(index)});
    return change.recipients.back().state;
}

mail::Outcome ended(RecipientStatus status, const mail::RecipientState& before, base::WallTime now) {
    mail::Outcome outcome = before.last;
    if (status == RecipientStatus::expired) {
        // What the last host said tells more than that time is over; without it RFC 3463 §3.5 has X.4.7.
        if (before.attempts == 0) {
            outcome.status = "4.4.7";
            outcome.text = "The message could not be delivered in time";
        }
    } else {
        outcome = {};
        outcome.status = "5.3.0";
        outcome.text = "An administrator removed the message from the queue";
    }
    outcome.kind = mail::Outcome::Kind::permanent;
    if (before.attempts == 0 || status != RecipientStatus::expired) outcome.at = now;
    return outcome;
}

net::Task<std::uint64_t> header_size(net::Loop& loop, net::Pool& disk, std::shared_ptr<const spool::Body> body) {
    if (!body) co_return 0;
    if (const auto bytes = body->memory()) {
        co_return mail::returned_header_size(bytes->substr(0, mail::kMaxReturnedHeader));
    }
    auto read = [body]() -> base::Result<std::uint64_t> {
        std::string start(std::min<std::uint64_t>(body->size(), mail::kMaxReturnedHeader), '\0');
        std::size_t have = 0;
        while (have < start.size()) {
            const auto got = body->read_at(have, std::span<char>(start).subspan(have));
            if (!got) return std::unexpected(got.error());
            if (*got == 0) break;
            have += *got;
        }
        start.resize(have);
        return mail::returned_header_size(start);
    };
    const auto size = co_await net::offload(loop, disk, std::move(read));
    co_return size ? *size : 0;  // a report without the returned header is better than none
}

}  // namespace

void Owner::start_revise(Message& m, RevisionPtr revision) {
    m.busy = true;
    net::spawn(loop_, "delivery.revise", revise(std::move(revision)));
}

// Reads the message, with patience: a busy pool or disk is no reason to lose a DSN.
net::Task<base::Result<spool::StoredMessage>> Owner::read_back(base::Ulid id) {
    base::Error why;
    for (int n = 0; n < kReadTries; ++n) {
        auto stored = co_await shared_->deps.queue.load(loop_, id);
        if (stored) co_return std::move(*stored);
        why = stored.error();
        if (why.kind == base::ErrorKind::permanent || stopped_) break;
        co_await net::sleep_until(loop_, loop_.now() + kReadPause * (n + 1));
    }
    base::log::error("delivery.unreadable", {{"message_id", id.to_string()}, {"msg", why.log_text}});
    co_return std::unexpected(why);
}

net::Task<> Owner::revise(RevisionPtr r) {
    auto read = co_await read_back(r->change.id);
    Message* const m = messages_.find(r->change.id);
    if (!m) co_return;
    if (read) {
        auto stored = std::make_shared<spool::StoredMessage>(std::move(*read));
        r->envelope = std::shared_ptr<const mail::Envelope>(stored, &stored->envelope);
        if (r->expire || r->remove != Removal::none || r->redirect_to) end_recipients(*r, *stored);
        co_await add_dsns(r, stored);
        if (r->redirect_to) add_redirected(*r, *stored);  // after the DSNs, which are told of one by one
    } else if (r->change.recipients.empty()) {
        give_up_reading(r, *m, read.error());
        co_return;
    }
    commit(std::move(r));
}

// Nothing can be said about a message that cannot be read. Where trying again may help it is looked at again; where
// it cannot, it is the spool's damage.
void Owner::give_up_reading(const RevisionPtr& r, Message& m, const base::Error& why) {
    const base::Ulid id = r->change.id;
    if (why.kind == base::ErrorKind::permanent) return forget(id, why);
    for (const std::uint32_t index : r->targets) {
        if (Slot* slot = m.slot(index)) slot->phase = Phase::idle;  // what an operator ordered stands
    }
    if (r->ticket) r->ticket->given_up = true;
    const base::WallTime later = now() + kReadLater;
    m.busy = false;
    if (m.dsn_flush != base::WallTime{}) m.dsn_flush = later;
    run_backlog(m);
    if (m.busy) return;
    wakes_.set(m, later);
    arm();
}

// The targets come to their end without an attempt.
void Owner::end_recipients(Revision& r, const spool::StoredMessage& stored) const {
    RecipientStatus status = RecipientStatus::expired;
    if (r.remove != Removal::none) {
        status = r.remove == Removal::bounce ? RecipientStatus::failed : RecipientStatus::cancelled;
    } else if (r.redirect_to) {
        status = RecipientStatus::redirected;
    }
    for (const std::uint32_t index : r.targets) {
        mail::RecipientState& state = state_in(r.change, stored, index);
        state.last = ended(status, state, now());
        if (r.redirect_to)
            state.last.text = "An administrator redirected it to <" + r.redirect_to->to_string() +
                              ">, as message " + redirected_id(r).to_string();
        state.status = status;
        state.next_try = {};
        state.dsn_done = !owed(stored.envelope, state, index, false).has_value();
        RecipientReport report;
        report.index = index;
        report.state = state;
        report.attempted = false;
        r.reports.push_back(std::move(report));
    }
}

// Failure and success DSNs of all that are owed, and delay warnings; all in this change.
net::Task<> Owner::add_dsns(RevisionPtr r, std::shared_ptr<spool::StoredMessage> stored) {
    std::vector<std::uint32_t> failed;
    std::vector<std::uint32_t> late;
    for (std::uint32_t index = 0; index < stored->recipients.size(); ++index) {
        const auto changed = std::ranges::find(r->change.recipients, index, &spool::RecipientUpdate::index);
        const mail::RecipientState& now_state =
            changed != r->change.recipients.end() ? changed->state : stored->recipients[index];
        if (mail::is_final(now_state.status)) {
            if (!r->flush_dsn || now_state.dsn_done || r->reached.contains(index)) continue;
            mail::RecipientState& state = state_in(r->change, *stored, index);
            if (owed(stored->envelope, state, index, false) == DsnKind::failure) failed.push_back(index);
            state.dsn_done = true;
        } else if (r->warn_delay && !now_state.delay_warned) {
            state_in(r->change, *stored, index).delay_warned = true;
            const mail::Recipient& recipient = stored->envelope.recipients[index];
            if (mail::dsn_owed(stored->envelope.reverse_path, recipient, mail::DsnAction::delayed)) {
                late.push_back(index);
            }
        }
    }
    std::vector<std::uint32_t> reached;
    for (const auto& [index, action] : r->reached) {
        state_in(r->change, *stored, index).dsn_done = true;
        reached.push_back(index);
    }
    if (failed.empty() && late.empty() && reached.empty()) co_return;
    const std::uint64_t header = co_await header_size(loop_, shared_->deps.disk, stored->body);
    if (!failed.empty()) add_dsn(*r, *stored, header, DsnKind::failure, failed);
    if (!late.empty()) add_dsn(*r, *stored, header, DsnKind::delay, late);
    if (!reached.empty()) add_dsn(*r, *stored, header, DsnKind::success, reached);
}

void Owner::add_dsn(Revision& r, const spool::StoredMessage& stored, std::uint64_t header_size, DsnKind kind,
                    const std::vector<std::uint32_t>& recipients) const {
    const DsnConfig& config = settings_->config.dsn;
    mail::DsnRequest request;
    request.parent = &stored.envelope;
    for (const std::uint32_t index : recipients) {
        const mail::RecipientState& state = state_in(r.change, stored, index);
        mail::DsnRecipient about;
        about.recipient = stored.envelope.recipients[index];
        about.outcome = state.last;
        about.expired = state.status == RecipientStatus::expired;
        if (kind == DsnKind::delay) about.action = mail::DsnAction::delayed;
        if (kind == DsnKind::success) about.action = r.reached.at(index);
        request.recipients.push_back(std::move(about));
    }
    // A recipient has at most one DSN of each kind, so this names it for ever, over restarts too.
    request.id = stored.envelope.id.child(recipients.front() * 4 + 1 + static_cast<std::uint32_t>(kind));
    request.now = now();
    request.reporting_mta = config.reporting_mta.empty() ? settings_->config.hostname : config.reporting_mta;
    request.postmaster = config.postmaster.empty() ? "postmaster@" + request.reporting_mta : config.postmaster;
    request.retry_until = std::max(stored.envelope.arrival, stored.envelope.hold_until) +
                          std::chrono::floor<std::chrono::milliseconds>(settings_->config.retry.max_age);
    request.header_size = header_size;
    mail::Dsn dsn = mail::make_dsn(request);
    spool::StateChange::Birth birth;
    birth.envelope = std::move(dsn.envelope);
    birth.body_prefix = std::move(dsn.prefix);
    if (dsn.middle_size > 0) birth.middle = stored.body;
    birth.middle_size = dsn.middle_size;
    birth.body_suffix = std::move(dsn.suffix);
    r.change.births.push_back(std::move(birth));
    r.births.push_back(kind);
}

}  // namespace posthorn::delivery
