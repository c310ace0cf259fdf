// The files follow the index. Each step asks what is to be and what is, so that all of it can be done again after a
// crash, or after an error half way through.
#include <algorithm>

#include "base/ascii.hpp"
#include "base/log.hpp"
#include "store/impl/maildir.hpp"
#include "store/impl/maildir_files.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

using base::sqlite::Transaction;

namespace {

// What has been done is no promise to anybody: what a crash forgets of it is done again.
class Relaxed {
public:
    explicit Relaxed(base::sqlite::Database& db) : db_(db) { db_.script("PRAGMA synchronous=NORMAL"); }
    ~Relaxed() { db_.script("PRAGMA synchronous=FULL"); }
    Relaxed(const Relaxed&) = delete;
    Relaxed& operator=(const Relaxed&) = delete;

private:
    base::sqlite::Database& db_;
};

bool missing(const base::Result<void>& done) { return !done && done.error().code == ENOENT; }

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

void Maildir::committed() {
    looking_ = false;
    if (done_ == index_->counters().modseq && added_.empty() && behind_.empty()) return;
    clear_rolled_back();
    auto behind = std::exchange(behind_, {});
    auto done = follow(behind);
    if (auto good = db().take_error(); !good && done) done = good;
    if (done) return;
    behind_.merge(behind);
    folders_.clear();
    base::log::warning("store.maildir_behind", {{"account", account_.text()}, {"error", done.error().log_text}});
}

base::Result<void> Maildir::follow(const std::set<std::pair<MailboxId, Uid>>& behind) {
    const Relaxed relaxed(db());
    Transaction all(db());
    auto what = todo();
    for (const auto& [mailbox, uid] : behind) what.there[mailbox].add(uid);
    if (auto good = db().error(); good) return std::unexpected(*good);
    std::vector<MailboxId> removed;
    if (auto done = follow_mailboxes(what.mailboxes, removed); !done) return done;
    base::Result<void> done;
    // First what comes: what goes may be where it comes from.
    for (const auto& [mailbox, uids] : what.there) {
        uids.for_each([&](std::uint64_t uid) {
            if (done) done = settle(mailbox, static_cast<Uid>(uid));
        });
    }
    for (const auto& [mailbox, uids] : what.gone) {
        uids.for_each([&](std::uint64_t uid) {
            if (done) done = take_away(mailbox, static_cast<Uid>(uid));
        });
    }
    if (!done) return done;
    if (auto cleared = clear_staged(); !cleared) return cleared;
    for (const auto mailbox : removed) {
        if (auto gone = remove_folder(mailbox); !gone) return gone;
    }
    // Who was made under the name of one that went has its place now.
    if (!removed.empty()) {
        if (auto named = follow_mailboxes(what.mailboxes, removed); !named) return named;
    }
    if (auto synced = sync_touched(); !synced) return synced;
    const auto upto = index_->counters().modseq;
    db().run("UPDATE maildir SET done = ?", upto);
    if (auto kept = all.commit(); !kept) return kept;
    done_ = upto;
    return {};
}

Maildir::Todo Maildir::todo() {
    Todo out;
    if (done_ < index_->counters().trimmed) {  // the log does not reach back so far
        auto boxes = db().query("SELECT id FROM mailbox UNION SELECT mailbox FROM maildir_folder");
        while (boxes.next()) out.mailboxes.insert(boxes.uinteger(0));
        auto there = db().query(
            "SELECT m.mailbox, m.uid FROM membership m LEFT JOIN maildir_file f ON f.mailbox = m.mailbox"
            " AND f.uid = m.uid WHERE f.uid IS NULL ORDER BY m.mailbox, m.uid");
        while (there.next()) out.there[there.uinteger(0)].add(there.uinteger(1));
        auto gone = db().query(
            "SELECT f.mailbox, f.uid FROM maildir_file f LEFT JOIN membership m ON m.mailbox = f.mailbox"
            " AND m.uid = f.uid WHERE m.uid IS NULL ORDER BY f.mailbox, f.uid");
        while (gone.next()) out.gone[gone.uinteger(0)].add(gone.uinteger(1));
        return out;
    }
    auto log = db().query("SELECT kind, mailbox, uids FROM change WHERE modseq > ? ORDER BY modseq, n", done_);
    while (log.next()) {
        const auto mailbox = log.uinteger(1);
        const auto uids = UidSet::decode(log.blob(2)).value_or(UidSet());
        switch (static_cast<ChangeKind>(log.integer(0))) {
            case ChangeKind::added:
            case ChangeKind::flags: out.there[mailbox].add(uids); break;
            case ChangeKind::removed: out.gone[mailbox].add(uids); break;
            default: out.mailboxes.insert(mailbox);
        }
    }
    return out;
}

// ---- folders

base::Result<void> Maildir::follow_mailboxes(const std::set<MailboxId>& mailboxes,
                                             std::vector<MailboxId>& removed) {
    std::map<MailboxId, std::pair<std::string, std::string>> renamed;  // the folder, the mailbox
    for (const auto id : mailboxes) {
        const auto box = index_->mailbox(id);
        const auto* known = folder(id);
        if (!box) {
            if (known != nullptr) removed.push_back(id);
        } else if (known == nullptr) {
            if (auto made = make_folder(id, box->name); !made) return made;
        } else if (const auto to = maildir::folder_of(box->name);
                   to != known->path && maildir::mailbox_of(known->path) != box->name) {
            renamed.emplace(id, std::pair(to, box->name));
        }
    }
    // Names may go round among them: who is in another's way steps aside first.
    for (const auto& [id, names] : renamed) {
        const auto& [to, name] = names;
        if (const auto other = mailbox_at(to); other && *other != id) {
            if (auto done = rename_folder(*other, ".-" + std::to_string(*other), {}); !done) return done;
        }
        if (auto done = rename_folder(id, to, name); !done) return done;
    }
    return {};
}

base::Result<void> Maildir::make_folder(MailboxId mailbox, const std::string& name) {
    auto path = maildir::folder_of(name);
    if (mailbox_at(path)) path += "-" + std::to_string(mailbox);  // it has another's, who could not be renamed
    const bool there = static_cast<bool>(disk_.status(at(path)));
    if (auto made = make_folders(path, name); !made) return made;
    db().run("INSERT INTO maildir_folder VALUES(?, ?)", mailbox, path);
    if (there) unknown_.insert(path);  // another made it, perhaps with mail in it
    listen(path);
    return {};
}

base::Result<void> Maildir::rename_folder(MailboxId mailbox, const std::string& to, const std::string& name) {
    auto* known = folder(mailbox);
    const bool there = static_cast<bool>(disk_.status(at(known->path)));
    const bool target = static_cast<bool>(disk_.status(at(to)));
    if (there && target) {
        base::log::warning("store.maildir_folder_in_the_way",
                           {{"account", account_.text()}, {"folder", to}, {"stays", known->path}});
        return {};
    }
    if (!there) {  // done before a crash; or another has renamed it, which the next look finds
        folders_unknown_ = true;
        if (!target) return {};
    } else if (auto done = disk_.rename(at(known->path), at(to)); !done) {
        return done;
    }
    if (maildir::named_by_sum(to)) {
        if (auto done = write_marker(at(to), name); !done) return done;
    }
    db().run("UPDATE maildir_folder SET path = ? WHERE mailbox = ?", to, mailbox);
    folders_.erase(mailbox);
    touched_.insert(root_);
    listen(to);
    return {};
}

// What others keep in it goes, too, but no mail that we have not seen: then it stays, and is found as a new mailbox.
base::Result<void> Maildir::remove_folder(MailboxId mailbox) {
    const auto path = folder(mailbox)->path;
    db().run("DELETE FROM maildir_folder WHERE mailbox = ?", mailbox);
    db().run("DELETE FROM maildir_file WHERE mailbox = ?", mailbox);
    folders_.erase(mailbox);
    const auto where = at(path);
    for (const auto* part : {"/new", "/cur"}) {
        const auto done = maildir::remove_directory(where + part);
        if (done || missing(done)) continue;
        folders_unknown_ = true;
        return make_folders(path, {});
    }
    const auto tmp = disk_.list(where + "/tmp");
    for (const auto& name : tmp ? *tmp : std::vector<std::string>()) (void)disk_.unlink(where + "/tmp/" + name);
    (void)maildir::remove_directory(where + "/tmp");
    const auto rest = disk_.list(where);
    for (const auto& name : rest ? *rest : std::vector<std::string>()) (void)disk_.unlink(where + '/' + name);
    (void)maildir::remove_directory(where);
    touched_.insert(root_);
    return {};
}

// ---- messages

base::Result<void> Maildir::settle(MailboxId mailbox, Uid uid) {
    EmailId email = 0;
    Flags flags = 0;
    {
        auto row = db().query("SELECT email, flags FROM membership WHERE mailbox = ? AND uid = ?", mailbox, uid);
        if (!row.next()) return {};  // gone again
        email = row.uinteger(0);
        flags = row.uinteger(1);
    }
    auto* where = folder(mailbox);
    const auto box = index_->mailbox(mailbox);
    if (where == nullptr || !box) return damaged("mailbox " + std::to_string(mailbox) + " has no folder");
    if (const auto known = file(mailbox, uid)) return settle_name(mailbox, *where, *known, flags);
    auto brought = bring(*where, *box, uid, email, flags);
    if (!brought) return std::unexpected(brought.error());
    put_file(mailbox, *brought);
    touched_.insert(directory_of(at(where->path) + '/' + brought->name));
    return {};
}

base::Result<void> Maildir::settle_name(MailboxId mailbox, Folder& where, const File& known, Flags flags) {
    const auto letters = maildir::parse_file(known.name).letters;
    const auto want = wanted(where, known.base, letters, flags, known.name.starts_with("new/"));
    if (want == known.name) return {};
    const auto folder = at(where.path) + '/';
    const auto done = disk_.rename(folder + known.name, folder + want);
    if (missing(done)) {  // another has renamed it meanwhile: look what he did, and both is kept
        unknown_.insert(where.path);
        behind_.emplace(mailbox, known.uid);
        return {};
    }
    if (!done) return done;
    put_file(mailbox, {known.uid, known.email, known.base, want});
    touched_.insert(directory_of(folder + known.name));
    touched_.insert(directory_of(folder + want));
    return {};
}

// The file of a membership that has none yet. Where its source is gone (it was done before a crash, or another has taken
// it away) it gets the name it would have; the next look finds what is there.
base::Result<Maildir::File> Maildir::bring(Folder& where, const Mailbox& box, Uid uid, EmailId email, Flags flags) {
    const auto folder = at(where.path) + '/';
    // A folder that another has removed is made again: mail was promised.
    const auto step = [&](auto&& act, const std::string& from) -> base::Result<void> {
        auto done = act();
        if (!missing(done) || !disk_.status(from)) return done;
        if (auto made = make_folders(where.path, box.name); !made) return made;
        folders_unknown_ = true;
        return act();
    };
    File out{uid, email, staged(email), {}};
    if (!out.base.empty()) {
        out.name = wanted(where, out.base, {}, flags, true);
        const auto from = root_ + "/tmp/" + out.base;
        const auto done = step([&] { return disk_.rename(from, folder + out.name); }, from);
        if (!done && !missing(done)) return std::unexpected(done.error());
        if (missing(done)) unknown_.insert(where.path);
        db().run("DELETE FROM maildir_staged WHERE email = ?", email);
        return out;
    }
    const auto source = path_of(email);
    const auto received = db().value("SELECT received FROM email WHERE id = ?", email);
    out.base = maildir::copy_base(base::from_ms(received), box.uid_validity, uid);
    out.name = wanted(where, out.base, {}, flags, false);
    if (!source) {
        unknown_.insert(where.path);
        return out;
    }
    const bool undeleted = *source == grave(email);
    const auto done = step(
        [&] {
            return undeleted ? disk_.rename(*source, folder + out.name) : maildir::link(*source, folder + out.name);
        },
        *source);
    if (!done && !missing(done) && done.error().code != EEXIST) return std::unexpected(done.error());
    if (missing(done)) unknown_.insert(where.path);
    return out;
}

// Into its grave when it was its last, for undelete.
base::Result<void> Maildir::take_away(MailboxId mailbox, Uid uid) {
    const auto known = file(mailbox, uid);
    const auto* where = folder(mailbox);
    if (!known || where == nullptr) return {};
    if (db().value("SELECT count(*) FROM membership WHERE mailbox = ? AND uid = ?", mailbox, uid) != 0) return {};
    const bool last = db().value("SELECT count(*) FROM email WHERE id = ? AND refs = 0", known->email) != 0;
    if (const auto& error = db().error()) return std::unexpected(*error);
    auto path = at(where->path) + '/' + known->name;
    for (int attempt = 0; attempt < 3; ++attempt) {
        base::Result<void> done;
        if (last) done = disk_.rename(path, grave(known->email));
        // Also where both were names of one file: then rename() leaves both (rename(2)).
        if (done) {
            auto gone = disk_.unlink(path);
            if (!last || !missing(gone)) done = gone;
        }
        if (!done && !missing(done)) return done;
        if (done) break;
        const auto name = find_name(*where, known->base);
        if (name.empty()) break;  // another was faster
        path = at(where->path) + '/' + name;
    }
    db().run("DELETE FROM maildir_file WHERE mailbox = ? AND uid = ?", mailbox, uid);
    touched_.insert(directory_of(path));
    touched_.insert(account_folder_ + "/bodies");
    return {};
}

// What a unit that failed had added. The rest of it was promised: from here on drop() must not know of it.
void Maildir::clear_rolled_back() {
    for (const auto& [email, base] : std::exchange(added_, {})) {
        const bool promised = staged(email) == base;  // another unit may have had the id again
        if (db().error()) return;
        if (!promised) (void)disk_.unlink(root_ + "/tmp/" + base);
    }
}

// What came and was expunged before its file had a place.
base::Result<void> Maildir::clear_staged() {
    std::vector<std::pair<EmailId, std::string>> left;
    {
        auto rows = db().query("SELECT email, base FROM maildir_staged");
        while (rows.next()) left.emplace_back(rows.uinteger(0), rows.text(1));
    }
    for (const auto& [email, base] : left) {
        const auto path = root_ + "/tmp/" + base;
        const bool dead = db().value("SELECT count(*) FROM email WHERE id = ?", email) != 0;
        if (const auto& error = db().error()) return std::unexpected(*error);  // then nothing is known of it
        const auto done = dead ? disk_.rename(path, grave(email)) : disk_.unlink(path);
        if (!done && !missing(done)) return done;
        db().run("DELETE FROM maildir_staged WHERE email = ?", email);
        touched_.insert(account_folder_ + "/bodies");
    }
    return {};
}

base::Result<void> Maildir::sync_touched() {
    for (const auto& directory : touched_) {
        if (auto done = disk_.sync_directory(directory); !done && done.error().code != ENOENT) return done;
    }
    touched_.clear();
    return {};
}

std::string Maildir::wanted(Folder& where, std::string_view base, std::string_view letters, Flags flags,
                            bool fresh) {
    auto out = maildir::system_letters(flags);
    if ((flags & ~flag::system) != 0 || std::ranges::any_of(letters, [](char c) { return c >= 'a' && c <= 'z'; }))
        where.letters.refresh(disk_);
    const auto& keywords = index_->keywords();
    for (unsigned i = 0; i < keywords.size(); ++i) {
        if ((flags & flag::keyword(i)) == 0) continue;
        if (base::iequals(keywords[i], maildir::kForwarded)) out += maildir::kPassed;
        auto letter = where.letters.letter(keywords[i]);
        if (!letter) letter = where.letters.add(disk_, shared_.clock.wall(), keywords[i]);
        if (letter) out += *letter;
    }
    for (const char c : letters) {  // what we do not understand stays
        if (maildir::system_flag(c) == 0 && c != maildir::kPassed && !where.letters.understood(c)) out += c;
    }
    if (out.empty() && fresh) return "new/" + std::string(base);
    return "cur/" + maildir::file_name(base, std::move(out));
}

}  // namespace posthorn::store
