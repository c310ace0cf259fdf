#include "tests/simulation/ledger.hpp"

#include <algorithm>

#include "base/ascii.hpp"

namespace posthorn::simulation {

using mail::RecipientStatus;

namespace {

std::string_view name(RecipientStatus s) {
    switch (s) {
        case RecipientStatus::pending: return "pending";
        case RecipientStatus::delivered: return "delivered";
        case RecipientStatus::failed: return "failed";
        case RecipientStatus::expired: return "expired";
        case RecipientStatus::cancelled: return "cancelled";
        case RecipientStatus::redirected: return "redirected";
    }
    return "?";
}

// "Final-Recipient: rfc822; a@b" of every recipient a DSN tells of, and the action of all.
struct Told {
    std::vector<std::string> recipients;
    std::string action;
};

Told read_dsn(std::string_view body) {
    Told told;
    for (std::size_t at = 0; at < body.size();) {
        const std::size_t end = std::min(body.find("\r\n", at), body.size());
        const std::string_view line = body.substr(at, end - at);
        at = end + 2;
        constexpr std::string_view kWho = "Final-Recipient: rfc822; ";
        constexpr std::string_view kWhat = "Action: ";
        if (line.starts_with(kWho)) told.recipients.emplace_back(line.substr(kWho.size()));
        if (line.starts_with(kWhat)) told.action = line.substr(kWhat.size());
    }
    return told;
}

}  // namespace

void Ledger::violate(std::string what) {
    trace_.note("VIOLATION {}", what);
    if (violation_.empty()) violation_ = std::move(what);
}

void Ledger::retry_policy(const policy::RetryPolicy& retry, bool dsn_enabled) {
    shortest_pause_ = std::min(shortest_pause_, retry.min);
    longest_pause_ = std::max({longest_pause_, retry.max, retry.min});
    shortest_age_ = std::min(shortest_age_, retry.max_age);
    fewest_attempts_ = std::min(fewest_attempts_, retry.max_attempts);
    dsn_enabled_ = dsn_enabled;
}

void Ledger::writing(const mail::Envelope& envelope, const std::string& body, std::optional<base::Ulid> parent) {
    auto& known = by_body_[body];
    if (std::ranges::find(known, envelope.id) == known.end()) known.push_back(envelope.id);
    const auto [at, fresh] = accounts_.try_emplace(envelope.id);
    if (at->second.present || at->second.done) return;
    bodies_[envelope.id] = body;
    Account& account = at->second;
    account.id = envelope.id;
    account.sender = envelope.reverse_path.to_string();
    account.arrival = envelope.arrival;
    account.parent = parent;
    if (!fresh) return;
    for (const mail::Recipient& r : envelope.recipients) {
        by_name_[{account.sender, r.address.to_string()}].emplace_back(account.id, account.fates.size());
        Fate& fate = account.fates.emplace_back();
        fate.address = r.address.to_string();
        fate.notify = r.notify;
        if (covered(account, fate)) fate.since_held = 1;
    }
}

void Ledger::committed(const base::Ulid& id) {
    Account& account = accounts_.at(id);
    account.promised = account.present = true;
}

std::string Ledger::describe(const base::Ulid& id) const {
    const Account& account = accounts_.at(id);
    std::string text =
        fmt::format("{} from <{}>{}", id.to_string(), account.sender, account.parent ? " (DSN)" : "");
    for (const Fate& fate : account.fates) {
        text += fmt::format(", <{}> {} after {}, next {}{}", fate.address, name(fate.state.status),
                            fate.state.attempts, base::to_ms(fate.state.next_try) - Trace::kStart,
                            fate.state.dsn_done ? "" : ", DSN not done");
    }
    return text;
}

// ---- what becomes durable -------------------------------------------------------------------------------------

void Ledger::check_final(const Account& account, const Fate& fate, const mail::RecipientState& next) {
    const std::string who = account.id.to_string() + " <" + fate.address + ">";
    std::string domain = fate.address.substr(fate.address.find('@') + 1);
    if (const auto at = site_of_.find(domain); at != site_of_.end()) domain = at->second;
    switch (next.status) {
        case RecipientStatus::delivered:
            if (fate.taken == 0) violate("lost: delivered, but no peer took it: " + who);
            break;
        case RecipientStatus::failed:
            if (!fate.bounced && !permanent_.contains(domain) &&
                !permanent_.contains(domain + ' ' + account.sender) &&
                !permanent_.contains(account.sender + ' ' + fate.address)) {
                violate("failed for no reason: " + who + ": " + next.last.text);
            }
            break;
        case RecipientStatus::expired:
            if (next.attempts < fewest_attempts_ && trace_.now() - account.arrival < shortest_age_) {
                violate("given up too soon: " + who);
            }
            break;
        case RecipientStatus::cancelled:
            if (!fate.cancelled) violate("cancelled, but nobody asked for it: " + who);
            break;
        default: violate("an end that does not exist: " + who);
    }
}

void Ledger::check_step(const Account& account, const Fate& fate, const mail::RecipientState& next) {
    const mail::RecipientState& before = fate.state;
    const std::string who = account.id.to_string() + " <" + fate.address + ">";
    if (mail::is_final(before.status)) {
        if (next.status != before.status) {
            violate(fmt::format("two ends: {} was {} and becomes {}", who, name(before.status), name(next.status)));
        }
        if (before.dsn_done && !next.dsn_done) violate("a DSN is owed again: " + who);
        return;
    }
    if (next.attempts < before.attempts || next.attempts > before.attempts + 1) {
        violate(fmt::format("attempts go from {} to {}: {}", before.attempts, next.attempts, who));
    }
    if (mail::is_final(next.status)) return check_final(account, fate, next);
    if (next.attempts == before.attempts + 1) {
        const base::Duration pause = next.next_try - trace_.now();
        constexpr auto kRecording = std::chrono::minutes(30);  // decided, and durable only after failures
        if (pause > longest_pause_ + std::chrono::milliseconds(1))
            violate("waits too long for its next try: " + who);
        if (pause < shortest_pause_ - kRecording) violate("is tried again too soon: " + who);
    }
}

void Ledger::born(const base::Ulid& id, Account& parent) {
    Account& dsn = accounts_.at(id);
    dsn.promised = dsn.present = true;
    const std::string who = "DSN " + id.to_string() + " of " + parent.id.to_string();
    if (parent.sender.empty()) return violate("a DSN for a DSN: " + who);
    if (!dsn.sender.empty()) violate("a DSN with a sender: " + who);
    if (dsn.fates.size() != 1 || dsn.fates[0].address != parent.sender) violate("a DSN for somebody else: " + who);
    const Told told = read_dsn(bodies_.at(id));
    if (told.recipients.empty()) violate("a DSN about nobody: " + who);
    for (const std::string& address : told.recipients) {
        const auto fate = std::ranges::find(parent.fates, address, &Fate::address);
        if (fate == parent.fates.end()) {
            violate("a DSN about a stranger: " + who + ": " + address);
            continue;
        }
        if (told.action == "failed") {
            ++fate->failure_dsns;
            if (!is_failure(fate->state.status)) violate("a failure DSN about one that did not fail: " + who);
        } else if (told.action == "delayed") {
            ++fate->delay_dsns;
        } else if (told.action == "relayed") {
            ++fate->success_dsns;
            if (fate->state.status != RecipientStatus::delivered) violate("relayed, but not delivered: " + who);
        } else {
            violate("a DSN with the action " + told.action + ": " + who);
        }
    }
}

void Ledger::changing(const spool::StateChange& change) {
    Account& account = accounts_.at(change.id);
    account.attempted = change.recipients;
    account.attempted_done = change.done;
}

void Ledger::changed(const spool::StateChange& change, const std::vector<base::Ulid>& children) {
    Account& account = accounts_.at(change.id);
    if (account.done || !account.present) return violate("a change of what is gone: " + change.id.to_string());
    for (const auto& [index, state] : change.recipients) {
        Fate& fate = account.fates.at(index);
        check_step(account, fate, state);
        const bool tried = state.attempts > fate.state.attempts;
        if (fate.since_held >= 0 && tried) ++fate.since_held;
        // A delay warning is recorded beside an attempt that an operator asked for, and ends nothing.
        if (tried || mail::is_final(state.status)) fate.retry_asked = false;
        fate.unrecorded = false;
        fate.due_before = fate.state.next_try;
        fate.changed = trace_.now();
        fate.state = state;
        trace_.note("durable {} <{}> {} attempts {} {}", change.id.to_string(), fate.address, name(state.status),
                    state.attempts, state.last.status);
    }
    account.attempted.clear();
    for (const base::Ulid& id : children) born(id, account);
    if (!change.done) return;
    account.done = true;
    for (const Fate& fate : account.fates) {
        if (!mail::is_final(fate.state.status))
            violate("done with a recipient that has not ended: " + describe(change.id));
        if (!fate.state.dsn_done) violate("done with a DSN not dealt with: " + describe(change.id));
    }
}

void Ledger::recovered(const base::Ulid& id, const spool::StoredMessage* stored) {
    Account& account = accounts_.at(id);
    if (stored == nullptr) {
        if (!account.present || account.done) return;
        if (!account.attempted_done) return violate("lost: not in the queue after a crash: " + describe(id));
        spool::StateChange change;
        change.id = id;
        change.recipients = std::move(account.attempted);
        change.done = true;
        return changed(change, {});
    }
    if (account.done) return violate("back from the dead: " + describe(id));
    if (!std::exchange(account.present, true) && account.parent) born(id, accounts_.at(*account.parent));
    // What was durable stands, and the change that was under way has happened wholly or not at all. (It may touch one
    // that has ended: a DSN that was owed is made.)
    const auto is = [&](bool with_attempted) {
        for (std::size_t i = 0; i < account.fates.size(); ++i) {
            const auto at = std::ranges::find(account.attempted, i, &spool::RecipientUpdate::index);
            const bool newer = with_attempted && at != account.attempted.end();
            if (!(stored->recipients.at(i) == (newer ? at->state : account.fates[i].state))) return false;
        }
        return true;
    };
    if (!is(false) && !is(true)) violate("a durable outcome is lost: " + describe(id));
    for (std::size_t i = 0; i < account.fates.size(); ++i) {
        Fate& fate = account.fates[i];
        const mail::RecipientState& found = stored->recipients.at(i);
        if (!(found == fate.state)) check_step(account, fate, found);
        fate.state = found;
    }
    account.attempted.clear();
    account.attempted_done = false;
}

void Ledger::life_ended(bool clean) {
    for (auto& [id, account] : accounts_) {
        for (Fate& fate : account.fates) {
            fate.retry_asked = false;
            fate.unrecorded = false;
            if (!clean) fate.heard_taken = fate.heard_refused = false;
        }
    }
    // Only messages are frozen for longer than a life: this service has no folder for its state.
    std::erase_if(holds_, [](const std::string& key) { return key.size() != 26; });
    look_at_holds();
    for (auto& [id, account] : accounts_) {
        for (Fate& fate : account.fates) {
            if (fate.since_held >= 0) fate.since_held = 1;  // nothing is under way
        }
    }
}

// ---- what peers see -------------------------------------------------------------------------------------------

std::vector<Fate*> Ledger::fates_of(const Name& who, bool pending_only) {
    std::vector<Fate*> found;
    const auto at = by_name_.find({who.sender, who.recipient});
    if (at == by_name_.end()) return found;
    for (const auto& [id, index] : at->second) {
        Account& account = accounts_.at(id);
        Fate& fate = account.fates[index];
        if (pending_only && (!account.present || account.done || mail::is_final(fate.state.status))) continue;
        found.push_back(&fate);
    }
    return found;
}

void Ledger::named(const Name& who, base::WallTime at) {
    const std::string text = "<" + who.recipient + "> from <" + who.sender + ">";
    if (fates_of(who, false).empty()) return violate("a recipient of no message: " + text);
    const auto live = fates_of(who, true);
    if (live.empty()) return violate("tried again after its end: " + text);
    // A peer that reads late may hear of an attempt whose outcome is on record: it said more than it was asked, and
    // that was taken for the answer.
    const auto may = [&](const Fate* fate) {
        return fate->retry_asked || fate->state.next_try <= at || (at <= fate->changed && fate->due_before <= at);
    };
    if (std::ranges::all_of(live, [](const Fate* fate) { return fate->since_held > 0; })) {
        violate("tried although an operator holds it: " + text);
    }
    if (std::ranges::none_of(live, may)) violate("tried before its time: " + text);
    if (std::ranges::all_of(live, &Fate::heard_refused)) violate("a permanent failure is tried again: " + text);
    if (std::ranges::all_of(live, &Fate::unrecorded)) violate("sent twice in one attempt: " + text);
    if (std::ranges::all_of(live, &Fate::heard_taken)) violate("sent again after a 250: " + text);
}

void Ledger::refused(const Name& who) {
    const auto all = fates_of(who, false);
    if (all.size() == 1) all[0]->heard_refused = true;  // else nobody knows which of the DSNs it was
}

void Ledger::said_permanent(std::string who) { permanent_.insert(std::move(who)); }

std::vector<Fate*> Ledger::taken(const std::string& body, const std::string& sender,
                                 const std::vector<std::string>& recipients) {
    std::vector<Fate*> found;
    const auto at = by_body_.find(body);
    if (at == by_body_.end()) {
        violate("a peer got what nobody sent, from <" + sender + ">: " + body);
        return found;
    }
    for (const std::string& recipient : recipients) {
        bool any = false;
        for (const base::Ulid& id : at->second) {
            Account& account = accounts_.at(id);
            const auto fate = std::ranges::find(account.fates, recipient, &Fate::address);
            if (account.sender != sender || fate == account.fates.end()) continue;
            ++fate->taken;
            fate->unrecorded = true;
            found.push_back(&*fate);
            any = true;
        }
        if (!any) violate("a peer got the wrong message for <" + recipient + "> from <" + sender + ">");
    }
    return found;
}

void Ledger::heard_taken(Fate& fate) { fate.heard_taken = true; }

// ---- what operators ask ---------------------------------------------------------------------------------------

void Ledger::cancel_asked(const base::Ulid& id, bool bounce) {
    for (Fate& fate : accounts_.at(id).fates) (bounce ? fate.bounced : fate.cancelled) = true;
}

void Ledger::retry_asked(const std::optional<base::Ulid>& id) {
    for (auto& [at, account] : accounts_) {
        if (id && at != *id) continue;
        for (Fate& fate : account.fates) fate.retry_asked = true;
    }
}

void Ledger::event(const mail::Event& e) {
    using K = mail::EventKind;
    trace_.note("{} {} <{}> {} {} {}", mail::name(e.kind), e.message_id ? e.message_id->to_string() : "",
                e.recipient, e.code, e.status, e.text);
    const bool end =
        e.kind == K::delivered || e.kind == K::bounced || e.kind == K::expired || e.kind == K::cancelled;
    if (!e.message_id || e.recipient.empty() || !(end || e.kind == K::deferred)) return;
    Account& account = accounts_.at(*e.message_id);
    const auto fate = std::ranges::find(account.fates, e.recipient, &Fate::address);
    if (fate == account.fates.end()) return violate("an event about a stranger: " + e.recipient);
    if (fate->ends > 0) violate("an event after the end: " + describe(*e.message_id));
    if (end) ++fate->ends;
    const bool durable = end == mail::is_final(fate->state.status);
    if (!durable) violate("an event before its outcome is durable: " + describe(*e.message_id));
}

// ---- the end --------------------------------------------------------------------------------------------------

std::vector<base::Ulid> Ledger::waiting() const {
    std::vector<base::Ulid> out;
    for (const auto& [id, account] : accounts_) {
        if (account.present && !account.done) out.push_back(id);
    }
    return out;
}

// RFC 3461 §4.1: without NOTIFY, failures are reported; never for the null reverse-path.
bool Ledger::owes_failure(const Account& account, const Fate& fate) {
    if (account.sender.empty() || (fate.notify & mail::notify::never) != 0) return false;
    return fate.notify == 0 || (fate.notify & mail::notify::failure) != 0;
}

void Ledger::check_account(const Account& account) {
    if (account.promised && !account.present) violate("promised, and never there: " + describe(account.id));
    if (!account.present) return;
    if (!account.done) return violate("held for ever: " + describe(account.id));
    for (const Fate& fate : account.fates) {
        const std::string who = describe(account.id) + " about <" + fate.address + ">";
        const bool owed = dsn_enabled_ && is_failure(fate.state.status) && owes_failure(account, fate);
        if (fate.failure_dsns != (owed ? 1 : 0)) {
            violate(fmt::format("{} failure DSNs where {} is due: {}", fate.failure_dsns, owed ? 1 : 0, who));
        }
        const bool wants_delay = fate.notify == 0 || (fate.notify & mail::notify::delay) != 0;
        if (fate.delay_dsns > (wants_delay ? 1 : 0)) violate("too many delay DSNs: " + who);
        const bool wants_success = (fate.notify & mail::notify::success) != 0;
        if (fate.success_dsns > (wants_success ? 1 : 0)) violate("too many success DSNs: " + who);
    }
}

void Ledger::check_end() {
    for (const auto& [id, account] : accounts_) check_account(account);
}

Ledger::Figures Ledger::figures() const {
    Figures f;
    for (const auto& [id, account] : accounts_) {
        if (account.parent && account.present) ++f.dsns;
        for (const Fate& fate : account.fates) {
            if (fate.state.status == RecipientStatus::delivered) ++f.delivered;
            if (fate.state.status == RecipientStatus::failed) ++f.failed;
            if (fate.state.status == RecipientStatus::expired) ++f.expired;
            if (fate.state.status == RecipientStatus::cancelled) ++f.cancelled;
            if (fate.taken > 1) f.duplicates += static_cast<std::uint64_t>(fate.taken - 1);
        }
    }
    return f;
}

}  // namespace posthorn::simulation
