#include <algorithm>
#include <map>

#include "store/impl/index.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

namespace {

Flags changed(Flags now, Flags given, FlagChange::How how) {
    switch (how) {
        case FlagChange::How::add: return now | given;
        case FlagChange::How::remove: return now & ~given;
        case FlagChange::How::replace: return given;
    }
    return now;
}

constexpr auto* kSetFlagsOfRun =
    "UPDATE membership SET flags = ?, modseq = ? WHERE mailbox = ? AND uid BETWEEN ? AND ?";
constexpr auto* kSetFlags = "UPDATE membership SET flags = ?, modseq = ? WHERE mailbox = ? AND uid = ?";

}  // namespace

base::Result<FlagsChanged> Index::store_flags(UidScope scope, const UidSet& uids, const FlagChange& change) {
    const auto box = mailbox(scope);
    if (!box) return std::unexpected(box.error());
    const auto id = box->id;
    const auto given = bits(change.system, change.keywords, change.how != FlagChange::How::remove);
    if (!given) return std::unexpected(given.error());
    const auto next = counters_.modseq + 1;
    FlagsChanged out{.modseq = box->highest_modseq, .entries = {}, .modified = {}, .keywords = {}};
    Change happened{.kind = ChangeKind::flags, .mailbox = id};
    Tally tally;
    // Neighbours that get the same flags are written by one statement.
    struct {
        Uid first = 0;  // 0: none
        Uid last = 0;
        Flags flags = 0;
    } run;
    const auto write = [&] {
        if (run.first != 0) db_->run(kSetFlagsOfRun, run.flags, next, id, run.first, run.last);
        run = {};
    };
    for (const auto& range : uids.ranges()) {
        for (auto& row : rows(id, UidSet::of(range.first, range.last))) {
            if (change.unchanged_since && row.modseq > *change.unchanged_since) {
                write();
                out.modified.add(row.uid);
                continue;
            }
            const auto flags = changed(row.flags, *given, change.how);
            if (flags == row.flags || flags != run.flags) write();
            if (flags != row.flags) {
                if (run.first == 0) run = {row.uid, row.uid, flags};
                run.last = row.uid;
                tally.count(row.flags, row.size, -1);
                tally.count(flags, row.size, 1);
                happened.uids.add(row.uid);
                happened.updated.add(row.email);
                row.flags = flags;
                row.modseq = next;
            }
            out.entries.push_back(entry_of(row.email, row.modseq, row.flags, row.size, row.uid));
        }
        write();
    }
    if (!happened.uids.empty()) {
        out.modseq = next_modseq();
        apply(id, tally, 0);
        note(happened);
    }
    out.keywords = keywords_;
    return out;
}

base::Result<Copied> Index::copy(UidScope scope, const UidSet& uids, MailboxId to) {
    const auto source = mailbox(scope);
    if (!source) return std::unexpected(source.error());
    const auto target = mailbox(to);
    if (!target) return no_mailbox();
    const auto from = source->id;
    Copied out{.uid_validity = target->uid_validity, .uids = {}, .modseq = counters_.modseq};
    const auto chosen = rows(from, uids);
    if (chosen.empty()) return out;
    out.modseq = next_modseq(chosen.size());
    Change in{.kind = ChangeKind::added, .mailbox = to};
    Tally tally;
    auto uid = target->uid_next;
    out.uids.reserve(chosen.size());
    for (const auto& row : chosen) {
        join(to, uid, row.email, row.flags, row.size);
        db_->run("UPDATE email SET refs = refs + 1 WHERE id = ?", row.email);
        tally.count(row.flags, row.size, 1);
        in.uids.add(uid);
        in.updated.add(row.email);
        out.uids.emplace_back(row.uid, uid++);
    }
    apply(to, tally, chosen.size());
    note(in);
    return out;
}

base::Result<Copied> Index::move(UidScope scope, const UidSet& uids, MailboxId to) {
    const auto source = mailbox(scope);
    if (!source) return std::unexpected(source.error());
    const auto target = mailbox(to);
    if (!target) return no_mailbox();
    const auto from = source->id;
    Copied out{.uid_validity = target->uid_validity, .uids = {}, .modseq = counters_.modseq};
    const auto chosen = rows(from, uids);
    if (chosen.empty()) return out;
    out.modseq = next_modseq(chosen.size());
    Change in{.kind = ChangeKind::added, .mailbox = to};
    Change gone{.kind = ChangeKind::removed, .mailbox = from};
    Tally comes;
    Tally goes;
    auto uid = target->uid_next;
    out.uids.reserve(chosen.size());
    for (const auto& row : chosen) {
        join(to, uid, row.email, row.flags, row.size);
        db_->run("DELETE FROM membership WHERE mailbox = ? AND uid = ?", from, row.uid);
        comes.count(row.flags, row.size, 1);
        goes.count(row.flags, row.size, -1);
        in.uids.add(uid);
        gone.uids.add(row.uid);
        gone.updated.add(row.email);
        out.uids.emplace_back(row.uid, uid++);
    }
    apply(to, comes, chosen.size());
    apply(from, goes, 0);
    note(in);
    note(gone);
    return out;
}

// The email goes into its grave when it was its last.
void Index::part(MailboxId mailbox, const Row& row, Change& change) {
    db_->run("DELETE FROM membership WHERE mailbox = ? AND uid = ?", mailbox, row.uid);
    auto email = db_->query("UPDATE email SET refs = refs - 1 WHERE id = ? RETURNING refs, thread", row.email);
    if (!email.next()) return;
    change.uids.add(row.uid);
    if (email.integer(0) > 0) {
        change.updated.add(row.email);
        return;
    }
    change.destroyed.add(row.email);
    change.threads.add(email.uinteger(1));
    db_->run("INSERT OR REPLACE INTO grave SELECT ?, ?, id, name, ? FROM mailbox WHERE id = ?", row.email,
             base::to_ms(clock_.wall()), row.flags, mailbox);
    counters_.bytes -= row.size;
    counters_.messages -= 1;
    counters_.grave_bytes += row.size;
    counters_.grave_messages += 1;
}

base::Result<Expunged> Index::expunge(UidScope scope, const UidSet& uids, bool only_deleted) {
    const auto box = mailbox(scope);
    if (!box) return std::unexpected(box.error());
    const auto id = box->id;
    Expunged out{.uids = {}, .modseq = box->highest_modseq};
    if (only_deleted && box->deleted == 0) return out;
    auto chosen = rows(id, uids);
    if (only_deleted) std::erase_if(chosen, [](const Row& row) { return (row.flags & flag::deleted) == 0; });
    if (chosen.empty()) return out;
    out.modseq = next_modseq();
    Change gone{.kind = ChangeKind::removed, .mailbox = id};
    Tally tally;
    for (const auto& row : chosen) {
        part(id, row, gone);
        tally.count(row.flags, row.size, -1);
    }
    apply(id, tally, 0);
    note(gone);
    out.uids = std::move(gone.uids);
    return out;
}

base::Result<ModSeq> Index::refile(const std::vector<EmailId>& emails, const std::vector<MailboxId>& add,
                                   const std::vector<MailboxId>& remove) {
    std::map<EmailId, std::vector<std::pair<MailboxId, Row>>> all;
    for (const auto id : emails) {
        auto found = memberships(id);
        if (found.empty()) return no_email();
        all.emplace(id, std::move(found));
    }
    for (const auto* list : {&add, &remove}) {
        for (const auto id : *list) {
            if (!mailbox(id)) return no_mailbox();
        }
    }
    next_modseq(1 + emails.size() * add.size());
    for (const auto to : add) {
        Change in{.kind = ChangeKind::added, .mailbox = to};
        Tally tally;
        auto uid = uid_next(to);
        std::uint64_t count = 0;
        for (const auto& [id, where] : all) {
            if (std::ranges::any_of(where, [&](const auto& one) { return one.first == to; })) continue;
            const auto& row = where.front().second;
            join(to, uid, id, row.flags, row.size);
            db_->run("UPDATE email SET refs = refs + 1 WHERE id = ?", id);
            tally.count(row.flags, row.size, 1);
            in.uids.add(uid++);
            in.updated.add(id);
            ++count;
        }
        if (count == 0) continue;
        apply(to, tally, count);
        note(in);
    }
    for (const auto from : remove) {
        Change gone{.kind = ChangeKind::removed, .mailbox = from};
        Tally tally;
        for (const auto& [id, where] : all) {
            for (const auto& [mailbox, row] : where) {
                if (mailbox != from) continue;
                part(from, row, gone);
                tally.count(row.flags, row.size, -1);
            }
        }
        if (gone.uids.empty()) continue;
        apply(from, tally, 0);
        note(gone);
    }
    return counters_.modseq;
}

base::Result<ModSeq> Index::store_email_flags(const std::vector<EmailId>& emails, const FlagChange& change) {
    std::map<MailboxId, std::vector<Row>> all;
    for (const auto id : emails) {
        const auto found = memberships(id);
        if (found.empty()) return no_email();
        for (const auto& [mailbox, row] : found) all[mailbox].push_back(row);
    }
    const auto given = bits(change.system, change.keywords, change.how != FlagChange::How::remove);
    if (!given) return std::unexpected(given.error());
    const auto next = counters_.modseq + 1;
    bool any = false;
    for (const auto& [id, members] : all) {
        Change happened{.kind = ChangeKind::flags, .mailbox = id};
        Tally tally;
        for (const auto& row : members) {
            const auto flags = changed(row.flags, *given, change.how);
            if (flags == row.flags) continue;
            db_->run(kSetFlags, flags, next, id, row.uid);
            tally.count(row.flags, row.size, -1);
            tally.count(flags, row.size, 1);
            happened.uids.add(row.uid);
            happened.updated.add(row.email);
        }
        if (happened.uids.empty()) continue;
        if (!std::exchange(any, true)) next_modseq();
        apply(id, tally, 0);
        note(happened);
    }
    return counters_.modseq;
}

}  // namespace posthorn::store
