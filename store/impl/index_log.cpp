#include <algorithm>

#include "store/impl/index.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

using base::sqlite::Blob;

namespace {

IdSet ids(std::string_view blob) { return IdSet::decode(blob).value_or(IdSet()); }

IdSet common(const IdSet& a, const IdSet& b) {
    IdSet only_a = a;
    only_a.remove(b);
    IdSet out = a;
    out.remove(only_a);
    return out;
}

// What came and went in between nobody has to hear of; what is new is not "updated", too.
void settle(IdChanges& changes) {
    changes.updated.remove(changes.created);
    changes.updated.remove(changes.destroyed);
    const auto passed = common(changes.created, changes.destroyed);
    changes.created.remove(passed);
    changes.destroyed.remove(passed);
}

std::uint64_t size(const AccountChanges& changes) {
    return changes.emails.created.count() + changes.emails.updated.count() + changes.emails.destroyed.count() +
           changes.mailboxes.created.count() + changes.mailboxes.updated.count();
}

}  // namespace

void Index::note(const Change& change) {
    if (std::ranges::find(touched_, change.mailbox) == touched_.end()) touched_.push_back(change.mailbox);
    if (noted_ != counters_.modseq) noted_rows_ = 0;
    noted_ = counters_.modseq;
    const auto uids = change.uids.encode();
    const auto created = change.created.encode();
    const auto updated = change.updated.encode();
    const auto destroyed = change.destroyed.encode();
    const auto threads = change.threads.encode();
    db_->run("INSERT INTO change VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", counters_.modseq, noted_rows_++,
             base::to_ms(clock_.wall()), change.kind, change.mailbox, Blob{uids}, Blob{created}, Blob{updated},
             Blob{destroyed}, Blob{threads});
}

base::Result<MailboxChanges> Index::changes(UidScope scope, ModSeq since) {
    auto box = mailbox(scope);
    if (!box) return std::unexpected(box.error());
    const auto id = scope.mailbox;
    MailboxChanges out{.mailbox = *std::move(box), .changed = {}, .vanished = {}, .keywords = keywords_};
    // Newer than we are: it speaks of what an old copy of the index has forgotten.
    if (since < counters_.trimmed || since > counters_.modseq) {
        out.too_old = true;
        return out;
    }
    UidSet touched;
    auto log =
        db_->query("SELECT kind, uids FROM change WHERE modseq > ? AND mailbox = ? ORDER BY modseq, n", since, id);
    while (log.next()) {
        const auto kind = static_cast<ChangeKind>(log.integer(0));
        if (kind == ChangeKind::removed)
            out.vanished.add(ids(log.blob(1)));
        else
            touched.add(ids(log.blob(1)));
    }
    touched.remove(out.vanished);
    for (const auto& row : rows(id, touched)) {
        if (row.modseq > since)
            out.changed.push_back(entry_of(row.email, row.modseq, row.flags, row.size, row.uid));
    }
    return out;
}

AccountChanges Index::account_changes(ModSeq since, std::size_t limit) {
    AccountChanges out;
    out.state = since;
    if (since < counters_.trimmed || since > counters_.modseq) {
        out.too_old = true;
        return out;
    }
    auto log = db_->query(
        "SELECT modseq, kind, mailbox, created, updated, destroyed, threads FROM change WHERE modseq > ?"
        " ORDER BY modseq, n",
        since);
    while (log.next()) {
        const auto modseq = log.uinteger(0);
        if (modseq != out.state && size(out) >= limit) {
            out.more = true;
            break;
        }
        out.state = modseq;
        const auto kind = static_cast<ChangeKind>(log.integer(1));
        auto& boxes = kind == ChangeKind::mailbox_created     ? out.mailboxes.created
                      : kind == ChangeKind::mailbox_destroyed ? out.mailboxes.destroyed
                                                              : out.mailboxes.updated;
        boxes.add(log.uinteger(2));
        out.emails.created.add(ids(log.blob(3)));
        out.emails.updated.add(ids(log.blob(4)));
        out.emails.destroyed.add(ids(log.blob(5)));
        out.threads.add(ids(log.blob(6)));
    }
    if (!out.more) out.state = counters_.modseq;
    settle(out.emails);
    settle(out.mailboxes);
    return out;
}

void Index::trim_log(base::WallTime before, std::uint64_t rows) {
    const auto old = db_->value("SELECT max(modseq) FROM change WHERE at < ?", base::to_ms(before));
    const auto much = db_->value("SELECT modseq FROM change ORDER BY modseq DESC, n DESC LIMIT 1 OFFSET ?", rows);
    const auto cut = static_cast<ModSeq>(std::max(old, much));
    if (cut <= counters_.trimmed) return;
    db_->run("DELETE FROM change WHERE modseq <= ?", cut);
    counters_.trimmed = cut;
}

}  // namespace posthorn::store
