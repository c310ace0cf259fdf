#include <algorithm>
#include <map>
#include <set>

#include "base/log.hpp"
#include "store/impl/bodies.hpp"
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
    const bool good = line.next() && line.text(0) == "ok";
    const auto& error = (*index)->db().error();
    if (error && error->code != EUCLEAN) return std::unexpected(*error);
    return good;
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
    // The journals last: an index without what its log holds would pass for a whole one.
    for (const auto* part : {"", "-wal", "-shm"}) {
        const auto path = folder + "/index.sqlite" + part;
        if (!shared.disk.status(path)) continue;
        if (auto done = shared.disk.rename(path, folder + "/broken-" + number + ".sqlite" + part); !done)
            return done;
    }
    return shared.disk.sync_directory(folder);
}

// Of those with the same id the last: an id is given again when what first had it was rolled back, and a body that was
// moved is in a later pack. A large body is no older than one of its id in a pack: of those that were rolled back no file
// is left.
base::Result<std::map<EmailId, FoundBody>> all_found(const Bodies& bodies) {
    std::map<EmailId, FoundBody> out;
    const auto packs = bodies.packs();
    if (!packs) return std::unexpected(packs.error());
    for (const auto& [number, size] : *packs) {
        const auto found = bodies.scan(number);
        if (!found) return std::unexpected(found.error());
        for (const auto& body : *found) out.insert_or_assign(body.note.email, body);
    }
    const auto large = bodies.large();
    if (!large) return std::unexpected(large.error());
    for (const auto email : *large) {
        const auto found = bodies.scan_large(email);
        if (!found) return std::unexpected(found.error());
        out.insert_or_assign(email, *found);
    }
    return out;
}

// Bodies newer than the index, which it cannot know: they go where they were put, or to INBOX. Older ones it does not
// know were thrown away. A body that was moved by a rewrite is at another place than the index has it.
void add_bodies(Index& index, const std::map<EmailId, FoundBody>& found, RepairReport& report) {
    const auto first_new = index.counters().next_id;
    auto& db = index.db();
    for (const auto& [email, body] : found) {
        if (email < first_new) {
            const auto row = index.locate(email);
            if (row && row->place.size == body.place.size && row->place.crc == body.place.crc)
                index.moved(email, body.place);
            continue;
        }
        auto box = index.mailbox(body.note.mailbox);
        if (!box) box = index.mailbox(std::string_view("INBOX"));
        if (!box) return db.fail(damaged(db.path() + ": there is no INBOX").error());
        while (index.counters().next_id <= body.note.email) (void)index.new_id();
        index.add(box->id, {body.note.email, body.place, body.note.received, nullptr, nullptr}, 0);
        if (body.note.delivery != base::Ulid{} && !index.delivered(body.note.delivery))
            index.remember_delivery(body.note.delivery);
        ++report.recovered;
        if (db.error()) return;
    }
}

// Rows without a body have nothing to show.
base::Result<void> drop_lost(Index& index, const Bodies& bodies, RepairReport& report) {
    const auto all_packs = bodies.packs();
    if (!all_packs) return std::unexpected(all_packs.error());
    const auto all_large = bodies.large();
    if (!all_large) return std::unexpected(all_large.error());
    const std::map<std::uint64_t, std::uint64_t> packs(all_packs->begin(), all_packs->end());
    const std::set<EmailId> large(all_large->begin(), all_large->end());
    const auto known = index.all_bodies();
    if (auto good = index.db().take_error(); !good) return good;
    for (const auto& email : known) {
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
    return {};
}

// The large bodies that no row knows.
base::Result<std::vector<EmailId>> orphans(Index& index, const Bodies& bodies) {
    auto out = bodies.large();
    if (!out) return out;
    std::set<EmailId> known;
    for (const auto& email : index.all_bodies()) {
        if (email.place.pack == 0) known.insert(email.id);
    }
    if (auto good = index.db().take_error(); !good) return std::unexpected(good.error());
    std::erase_if(*out, [&](EmailId email) { return known.contains(email); });
    return out;
}

// A file beside the index, where it is made anew: half of it is never taken for the whole. What an attempt before this
// one has left goes.
base::Result<void> begin_anew(Shared& shared, const std::string& folder, const std::string& fresh,
                              RepairReport& report) {
    for (const auto* part : {"", "-wal", "-shm"}) {
        if (auto done = shared.disk.unlink(fresh + part); !done && done.error().code != ENOENT) return done;
    }
    const auto snapshot = newest_snapshot(shared.disk, folder);
    if (!snapshot) return std::unexpected(snapshot.error());
    report.snapshot = *snapshot;
    if (snapshot->empty()) return {};
    const auto copy = Database::open(folder + "/snapshots/" + *snapshot, {.immutable = true});
    if (!copy) return std::unexpected(copy.error());
    return (*copy)->copy_to(fresh);
}

// `fresh` is closed, its log is within it.
base::Result<void> put_in_place(Shared& shared, const std::string& folder, const std::string& fresh) {
    if (shared.disk.status(fresh + "-wal"))
        return base::fail(base::ErrorKind::temporary, fresh + ": its log could not be written into it");
    if (auto done = put_aside(shared, folder); !done) return done;
    if (auto done = shared.disk.rename(fresh, folder + "/index.sqlite"); !done) return done;
    return shared.disk.sync_directory(folder);
}

// Answers the orphans.
base::Result<std::vector<EmailId>> repair_rows(Index& index, BodyStore& bodies, const base::Clock& clock,
                                               ModSeq used, RepairReport& report) {
    if (auto done = bodies.attach(index); !done) return std::unexpected(done.error());
    Transaction all(index.db());
    auto unknown = bodies.mend(report, used);
    if (!unknown) return unknown;
    index.write_counters();
    report.counted_anew = count_anew(index, clock.wall());
    if (auto done = all.commit(); !done) return std::unexpected(done.error());
    return unknown;
}

// Read again: the counters were made anew behind its back. And clients must, too.
base::Result<void> make_it_new(Shared& shared, const std::string& path, const mail::AccountName& name,
                               ModSeq last) {
    const auto index = Index::open(path, name, shared.clock, false);
    if (!index) return std::unexpected(index.error());
    auto mark = shared.high_water != nullptr ? shared.high_water->get(name) : Mark{};
    if (!mark) return std::unexpected(mark.error());
    const auto& counters = (*index)->counters();
    mark->modseq = std::max({mark->modseq, counters.reserved, counters.modseq, last}) + 1;
    return (*index)->put_into_order(*mark, last, true);
}

}  // namespace

base::Result<void> Bodies::reconcile(RepairReport& report) {
    const auto found = all_found(*this);
    if (!found) return std::unexpected(found.error());
    add_bodies(*index_, *found, report);
    return {};
}

base::Result<std::vector<EmailId>> Bodies::mend(RepairReport& report, ModSeq) {
    if (report.index_was_lost) {
        if (auto done = reconcile(report); !done) return std::unexpected(done.error());
    }
    if (auto done = drop_lost(*index_, *this, report); !done) return std::unexpected(done.error());
    return orphans(*index_, *this);
}

base::Result<RepairReport> repair_account(const std::shared_ptr<Shared>& shared, const mail::AccountName& name,
                                          ModSeq last) {
    auto& disk = shared->disk;
    const auto folder = shared->folder(name);
    if (!disk.status(folder + "/bodies")) return refuse(ENOENT, "there is no account " + name.text());
    const auto path = folder + "/index.sqlite";
    RepairReport report;
    SearchIndex::remove_files(folder + "/search.sqlite");  // made anew when it is next asked for
    const auto sane = disk.status(path) ? opens(path, name, shared->clock) : base::Result<bool>(false);
    if (!sane) return std::unexpected(sane.error());
    report.index_was_lost = !*sane;
    const auto work = report.index_was_lost ? folder + "/repaired.sqlite" : path;
    if (report.index_was_lost) {
        if (auto done = begin_anew(*shared, folder, work, report); !done) return std::unexpected(done.error());
    }
    auto bodies = open_bodies(*shared, name);
    if (!bodies) return std::unexpected(bodies.error());
    std::vector<EmailId> unknown;
    {
        auto opened = Index::open(work, name, shared->clock, report.index_was_lost);
        if (!opened) return std::unexpected(opened.error());
        const auto mark = shared->high_water != nullptr ? shared->high_water->get(name) : Mark{};
        if (!mark) return std::unexpected(mark.error());
        auto found = repair_rows(**opened, **bodies, shared->clock, std::max(mark->modseq, last), report);
        if (!found) return std::unexpected(found.error());
        unknown = *std::move(found);
    }
    if (report.dropped > 0 || report.index_was_lost) {
        if (auto done = make_it_new(*shared, work, name, last); !done) return std::unexpected(done.error());
    }
    if (report.index_was_lost) {
        if (auto done = put_in_place(*shared, folder, work); !done) return std::unexpected(done.error());
    }
    for (const auto email : unknown) report.orphans_removed += (*bodies)->remove(email, {}) ? 1U : 0U;
    if (report.dropped == 0 && !report.index_was_lost) return report;
    base::log::notice("store.repaired", {{"account", name.text()},
                                         {"index_was_lost", report.index_was_lost},
                                         {"recovered", report.recovered},
                                         {"dropped", report.dropped}});
    return report;
}

}  // namespace posthorn::store
