#include <algorithm>
#include <map>
#include <set>

#include "base/log.hpp"
#include "store/impl/keeping.hpp"
#include "store/impl/layout.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

using base::sqlite::Database;
using base::sqlite::Transaction;

namespace {

bool sound(const std::string& path) {
    const auto db = Database::open(path, {.immutable = true});
    if (!db) return false;
    auto line = (*db)->query("PRAGMA quick_check(1)");
    return line.next() && line.text(0) == "ok" && (*db)->value("SELECT count(*) FROM account") == 1 &&
           !(*db)->error().has_value();
}

// With what its log holds: opened as it would be, and looked through. An error: it cannot be said, somebody has it, or
// the disk does not let us.
base::Result<bool> opens(const std::string& path, const mail::AccountName& name, const base::Clock& clock) {
    const auto index = Index::open(path, name, clock, false);
    if (!index) {
        if (index.error().code == EUCLEAN) return false;
        return std::unexpected(index.error());
    }
    auto line = (*index)->db().query("PRAGMA quick_check(1)");
    return line.next() && line.text(0) == "ok";
}

base::Result<std::string> newest_snapshot(base::Disk& disk, const std::string& folder) {
    auto names = disk.list(folder + "/snapshots");
    if (!names) return std::string();
    std::ranges::reverse(*names);
    for (const auto& name : *names) {
        if (name.ends_with(".sqlite") && sound(folder + "/snapshots/" + name)) return name;
    }
    return std::string();
}

// The index and its journals out of the way, kept for who wants to look.
base::Result<void> put_aside(Shared& shared, const std::string& folder) {
    const auto number = std::to_string(base::to_ms(shared.clock.wall()));
    for (const auto* part : {"-wal", "-shm", ""}) {
        const auto path = folder + "/index.sqlite" + part;
        if (!shared.disk.status(path)) continue;
        if (auto done = shared.disk.rename(path, folder + "/broken-" + number + ".sqlite" + part); !done)
            return done;
    }
    return shared.disk.sync_directory(folder);
}

std::vector<FoundBody> all_found(const Bodies& bodies, base::Result<void>& trouble) {
    std::vector<FoundBody> out;
    const auto packs = bodies.packs();
    const auto large = bodies.large();
    if (!packs || !large) {
        trouble = std::unexpected(!packs ? packs.error() : large.error());
        return out;
    }
    for (const auto& [number, size] : *packs) {
        auto found = bodies.scan(number);
        if (!found) {
            trouble = std::unexpected(found.error());
            return out;
        }
        out.insert(out.end(), found->begin(), found->end());
    }
    for (const auto email : *large) {
        if (auto found = bodies.scan_large(email)) out.push_back(*found);
    }
    return out;
}

// Bodies newer than the index, which it cannot know: they go where they were put, or to INBOX. Older ones it does not
// know were thrown away. A body that was moved by a rewrite is at another place than the index has it.
void add_bodies(Index& index, const std::vector<FoundBody>& found, RepairReport& report) {
    const auto first_new = index.counters().next_id;
    auto& db = index.db();
    std::set<EmailId> seen;
    for (const auto& body : found) {
        if (body.note.email < first_new) {
            index.moved(body.note.email, body.place);
            continue;
        }
        if (!seen.insert(body.note.email).second) continue;
        auto box = index.mailbox(body.note.mailbox);
        if (!box) box = index.mailbox(std::string_view("INBOX"));
        while (index.counters().next_id <= body.note.email) (void)index.new_id();
        index.add(box->id, {body.note.email, body.place, body.note.received, nullptr, nullptr}, 0);
        if (body.note.delivery != base::Ulid{} && !index.delivered(body.note.delivery))
            index.remember_delivery(body.note.delivery);
        ++report.recovered;
        if (db.error()) return;
    }
}

// Rows without a body have nothing to show.
void drop_lost(Index& index, const Bodies& bodies, RepairReport& report) {
    std::map<std::uint64_t, std::uint64_t> packs;
    if (const auto all = bodies.packs()) packs.insert(all->begin(), all->end());
    std::set<EmailId> large;
    if (const auto all = bodies.large()) large.insert(all->begin(), all->end());
    for (const auto& email : index.all_bodies()) {
        const auto& place = email.place;
        const auto pack = packs.find(place.pack);
        const bool there = place.pack == 0 ? large.contains(email.id)
                                           : pack != packs.end() && place.offset + place.size <= pack->second;
        if (there) continue;
        index.db().run("DELETE FROM membership WHERE email = ?", email.id);
        index.db().run("DELETE FROM summary WHERE email = ?", email.id);
        index.db().run("DELETE FROM grave WHERE email = ?", email.id);
        index.db().run("DELETE FROM email WHERE id = ?", email.id);
        ++report.dropped;
    }
}

std::uint64_t remove_orphans(Index& index, Bodies& bodies) {
    std::set<EmailId> known;
    for (const auto& email : index.all_bodies()) {
        if (email.place.pack == 0) known.insert(email.id);
    }
    std::uint64_t removed = 0;
    const auto large = bodies.large();
    for (const auto email : large ? *large : std::vector<EmailId>()) {
        if (!known.contains(email) && bodies.remove_large(email)) ++removed;
    }
    return removed;
}

}  // namespace

base::Result<RepairReport> repair_account(const std::shared_ptr<Shared>& shared, const mail::AccountName& name,
                                          ModSeq last) {
    auto& disk = shared->disk;
    const auto folder = shared->folder(name);
    if (!disk.status(folder + "/bodies")) return refuse(ENOENT, "there is no account " + name.text());
    const auto path = folder + "/index.sqlite";
    RepairReport report;
    const auto sane = disk.status(path) ? opens(path, name, shared->clock) : base::Result<bool>(false);
    if (!sane) return std::unexpected(sane.error());
    if (!*sane) {
        report.index_was_lost = true;
        if (auto done = put_aside(*shared, folder); !done) return std::unexpected(done.error());
        const auto snapshot = newest_snapshot(disk, folder);
        if (!snapshot) return std::unexpected(snapshot.error());
        report.snapshot = *snapshot;
        if (!snapshot->empty()) {
            const auto copy = Database::open(folder + "/snapshots/" + *snapshot, {.immutable = true});
            if (!copy) return std::unexpected(copy.error());
            if (auto done = (*copy)->copy_to(path); !done) return std::unexpected(done.error());
        }
    }
    auto bodies = Bodies::open(disk, folder + "/bodies", shared->config.pack_size);
    if (!bodies) return std::unexpected(bodies.error());
    auto opened = Index::open(path, name, shared->clock, report.index_was_lost);
    if (!opened) return std::unexpected(opened.error());
    auto& index = **opened;
    const auto before = index.state();
    Transaction all(index.db());
    if (report.index_was_lost) {
        base::Result<void> trouble;
        const auto found = all_found(**bodies, trouble);
        if (!trouble) return std::unexpected(trouble.error());
        add_bodies(index, found, report);
    }
    drop_lost(index, **bodies, report);
    index.write_counters();
    report.counted_anew = count_anew(index, shared->clock.wall());
    if (auto done = all.commit(); !done) {
        index.abandon(before);
        return std::unexpected(done.error());
    }
    report.orphans_removed = remove_orphans(index, **bodies);
    if (report.dropped == 0 && !report.index_was_lost) return report;
    // Read again: the counters were made anew behind its back. And clients must, too.
    opened->reset();
    auto again = Index::open(path, name, shared->clock, false);
    if (!again) return std::unexpected(again.error());
    auto mark = shared->high_water != nullptr ? shared->high_water->get(name) : Mark{};
    if (!mark) return std::unexpected(mark.error());
    mark->modseq = std::max({mark->modseq, (*again)->counters().reserved, (*again)->counters().modseq, last}) + 1;
    if (auto done = (*again)->put_into_order(*mark, last, true); !done) return std::unexpected(done.error());
    base::log::notice("store.repaired", {{"account", name.text()},
                                         {"index_was_lost", report.index_was_lost},
                                         {"recovered", report.recovered},
                                         {"dropped", report.dropped}});
    return report;
}

}  // namespace posthorn::store
