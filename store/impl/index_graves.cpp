#include <algorithm>

#include "store/impl/index.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

namespace {

Located located(const base::sqlite::Query& row) {
    return {row.uinteger(0),
            {row.uinteger(1), row.uinteger(2), row.uinteger(3), static_cast<std::uint32_t>(row.integer(4))}};
}

}  // namespace

std::vector<Located> Index::bury(base::WallTime before, std::size_t limit) {
    std::vector<Located> out;
    {
        auto old = db_->query(
            "SELECT e.id, e.pack, e.offset, e.size, e.crc FROM grave g JOIN email e ON e.id = g.email"
            " WHERE g.at < ? ORDER BY g.at LIMIT ?",
            base::to_ms(before), limit);
        while (old.next()) out.push_back(located(old));
    }
    for (const auto& email : out) bury(email.id);
    return out;
}

void Index::bury(EmailId email) {
    db_->run("DELETE FROM grave WHERE email = ?", email);
    db_->run("DELETE FROM summary WHERE email = ?", email);
    auto gone = db_->query("DELETE FROM email WHERE id = ? RETURNING thread, size", email);
    if (!gone.next()) return;
    const auto thread = gone.integer(0);
    if (db_->value("SELECT count(*) FROM email WHERE thread = ?", thread) == 0)
        db_->run("DELETE FROM thread_key WHERE thread = ?", thread);
    counters_.grave_bytes -= gone.uinteger(1);
    counters_.grave_messages -= 1;
}

base::Result<std::uint64_t> Index::undelete(base::WallTime since) {
    struct Grave {
        EmailId email;
        MailboxId mailbox;
        std::string name;
        Flags flags;
        std::uint64_t size;
    };
    std::vector<Grave> graves;
    {
        auto all = db_->query(
            "SELECT g.email, g.mailbox, g.name, g.flags, e.size FROM grave g JOIN email e ON e.id = g.email"
            " WHERE g.at >= ? ORDER BY g.email",
            base::to_ms(since));
        while (all.next())
            graves.push_back(
                {all.uinteger(0), all.uinteger(1), std::string(all.text(2)), all.uinteger(3), all.uinteger(4)});
    }
    for (const auto& grave : graves) {
        // Where it was, or what has that name now, or INBOX.
        auto box = mailbox(grave.mailbox);
        if (!box) box = mailbox(std::string_view(grave.name));
        if (!box) box = mailbox(std::string_view("INBOX"));
        if (!box) return no_mailbox();
        next_modseq();
        const auto flags = grave.flags & ~flag::deleted;
        join(box->id, box->uid_next, grave.email, flags, grave.size);
        const auto thread = db_->value("UPDATE email SET refs = 1 WHERE id = ? RETURNING thread", grave.email);
        db_->run("DELETE FROM grave WHERE email = ?", grave.email);
        Tally tally;
        tally.count(flags, grave.size, 1);
        apply(box->id, tally, 1);
        note({.kind = ChangeKind::added,
              .mailbox = box->id,
              .uids = {box->uid_next},
              .created = {grave.email},
              .threads = {static_cast<ThreadId>(thread)}});
        counters_.bytes += grave.size;
        counters_.messages += 1;
        counters_.grave_bytes -= grave.size;
        counters_.grave_messages -= 1;
    }
    return graves.size();
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> Index::packs() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    auto all = db_->query("SELECT pack, sum(size) FROM email WHERE pack > 0 GROUP BY pack ORDER BY pack");
    while (all.next()) out.emplace_back(all.uinteger(0), all.uinteger(1));
    return out;
}

std::vector<Located> Index::in_pack(std::uint64_t pack) {
    std::vector<Located> out;
    auto all = db_->query("SELECT id, pack, offset, size, crc FROM email WHERE pack = ? ORDER BY offset", pack);
    while (all.next()) out.push_back(located(all));
    return out;
}

std::vector<Located> Index::all_bodies() {
    std::vector<Located> out;
    auto all = db_->query("SELECT id, pack, offset, size, crc FROM email ORDER BY pack, offset, id");
    while (all.next()) out.push_back(located(all));
    return out;
}

void Index::moved(EmailId email, const Place& place) {
    db_->run("UPDATE email SET pack = ?, offset = ?, size = ?, crc = ? WHERE id = ?", place.pack, place.offset,
             place.size, place.crc, email);
}

}  // namespace posthorn::store
