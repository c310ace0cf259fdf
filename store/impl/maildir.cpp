#include "store/impl/maildir.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/log.hpp"
#include "store/impl/maildir_files.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

using base::sqlite::Transaction;

namespace {

constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS maildir(id INTEGER PRIMARY KEY CHECK(id = 1), done INTEGER NOT NULL);
INSERT OR IGNORE INTO maildir VALUES(1, 0);
CREATE TABLE IF NOT EXISTS maildir_folder(mailbox INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS maildir_file(
    mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, email INTEGER NOT NULL, base TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS maildir_file_base ON maildir_file(mailbox, base);
CREATE INDEX IF NOT EXISTS maildir_file_email ON maildir_file(email);
CREATE TABLE IF NOT EXISTS maildir_staged(email INTEGER PRIMARY KEY, base TEXT NOT NULL);
)sql";

constexpr const char* kParts[] = {"/tmp", "/new", "/cur"};
constexpr auto kOldFile = std::chrono::hours(36);  // in tmp/: nobody writes it any more
constexpr int kAttempts = 3;                       // at a file that others rename under our hands

}  // namespace

Maildir::Maildir(Shared& shared, mail::AccountName account)
    : shared_(shared),
      disk_(shared.disk),
      account_(std::move(account)),
      account_folder_(shared.folder(account_)),
      root_(account_folder_ + "/Maildir") {}

Maildir::~Maildir() {
    // Who watches a closed account hears of what others do, too: that opens it again.
    if (shared_.maildir_watch && !shared_.watchers.any(account_)) shared_.maildir_watch->forget(account_);
}

base::Result<std::unique_ptr<Maildir>> Maildir::open(Shared& shared, const mail::AccountName& account) {
    std::unique_ptr<Maildir> out(new Maildir(shared, account));
    if (auto made = out->make_folders("", "INBOX"); !made) return std::unexpected(made.error());
    return out;
}

base::Result<void> Maildir::make_folders(const std::string& path, const std::string& name) {
    const auto folder = at(path);
    if (disk_.status(folder + "/cur") && disk_.status(folder + "/new") && disk_.status(folder + "/tmp")) return {};
    if (auto made = disk_.make_directory(folder, 0700); !made) return made;
    if (!path.empty() && !disk_.status(folder + "/maildirfolder")) {
        if (auto done = write_marker(folder, maildir::named_by_sum(path) ? name : std::string()); !done)
            return done;
    }
    for (const auto* part : kParts) {
        if (auto made = disk_.make_directory(folder + part, 0700); !made) return made;
    }
    if (auto done = disk_.sync_directory(folder); !done) return done;
    return disk_.sync_directory(path.empty() ? account_folder_ : root_);
}

// "maildirfolder": it tells that this is one, and the mailbox where the folder's name does not.
base::Result<void> Maildir::write_marker(const std::string& folder, const std::string& name) {
    const auto fresh = folder + "/maildirfolder.new";
    if (auto gone = disk_.unlink(fresh); !gone && gone.error().code != ENOENT) return gone;
    const auto marker = disk_.open(fresh, base::OpenMode::create);
    if (!marker) return std::unexpected(marker.error());
    if (auto done = (*marker)->write(0, name); !done) return done;
    if (auto done = (*marker)->sync(); !done) return done;
    if (auto done = disk_.rename(fresh, folder + "/maildirfolder"); !done) return done;
    return disk_.sync_directory(folder);
}

base::Result<void> Maildir::attach(Index& index) {
    index_ = &index;
    Transaction all(db());
    db().script(kTables);
    done_ = static_cast<ModSeq>(db().value("SELECT done FROM maildir"));
    return all.commit();
}

// ---- names and places

std::string Maildir::grave(EmailId email) const {
    return fmt::format("{}/bodies/{:016x}.eml", account_folder_, email);
}

Maildir::Folder* Maildir::folder(MailboxId mailbox) {
    const auto known = folders_.find(mailbox);
    if (known != folders_.end()) return &known->second;
    auto row = db().query("SELECT path FROM maildir_folder WHERE mailbox = ?", mailbox);
    if (!row.next()) return nullptr;
    const std::string path(row.text(0));
    return &folders_.emplace(mailbox, Folder{path, maildir::LetterTable(at(path))}).first->second;
}

std::optional<MailboxId> Maildir::mailbox_at(const std::string& path) {
    auto row = db().query("SELECT mailbox FROM maildir_folder WHERE path = ?", path);
    if (!row.next()) return std::nullopt;
    return row.uinteger(0);
}

std::optional<Maildir::File> Maildir::file(MailboxId mailbox, Uid uid) {
    auto row = db().query("SELECT email, base, name FROM maildir_file WHERE mailbox = ? AND uid = ?", mailbox, uid);
    if (!row.next()) return std::nullopt;
    return File{uid, row.uinteger(0), std::string(row.text(1)), std::string(row.text(2))};
}

std::string Maildir::staged(EmailId email) {
    auto row = db().query("SELECT base FROM maildir_staged WHERE email = ?", email);
    return row.next() ? std::string(row.text(0)) : std::string();
}

void Maildir::put_file(MailboxId mailbox, const File& file) {
    db().run("INSERT OR REPLACE INTO maildir_file VALUES(?, ?, ?, ?, ?)", mailbox, file.uid, file.email, file.base,
             file.name);
}

std::string Maildir::find_name(const Folder& folder, std::string_view base) {
    for (const auto* part : {"cur", "new"}) {
        const auto names = disk_.list(at(folder.path) + '/' + part);
        if (!names) continue;
        for (const auto& name : *names) {
            if (name.starts_with(base) && maildir::parse_file(name).base == base)
                return part + std::string("/") + name;
        }
    }
    return {};
}

base::Result<std::string> Maildir::path_of(EmailId email) {
    std::vector<std::pair<MailboxId, File>> files;
    {
        auto rows = db().query("SELECT mailbox, uid, base, name FROM maildir_file WHERE email = ?", email);
        while (rows.next())
            files.emplace_back(rows.uinteger(0), File{static_cast<Uid>(rows.integer(1)), email,
                                                      std::string(rows.text(2)), std::string(rows.text(3))});
    }
    for (const auto& [mailbox, known] : files) {
        const auto* where = folder(mailbox);
        if (where == nullptr) continue;
        const auto path = at(where->path) + '/' + known.name;
        if (disk_.status(path)) return path;
        const auto name = find_name(*where, known.base);
        if (!name.empty()) return at(where->path) + '/' + name;
    }
    const auto base = staged(email);
    if (!base.empty() && disk_.status(root_ + "/tmp/" + base)) return root_ + "/tmp/" + base;
    if (disk_.status(grave(email))) return grave(email);
    return base::fail_errno("the file of email " + std::to_string(email), ENOENT);
}

void Maildir::listen(const std::string& path) {
    if (!shared_.maildir_watch) return;
    bool heard = shared_.maildir_watch->watch(account_, root_);
    for (const auto* part : {"", "/new", "/cur"})
        heard = shared_.maildir_watch->watch(account_, at(path) + part) && heard;
    if (heard || deaf_) return;
    deaf_ = true;
    base::log::warning("store.maildir_deaf",
                       {{"account", account_.text()},
                        {"msg", "what other programs do here is noticed late: raise fs.inotify.max_user_watches"}});
}

// ---- mail comes in

base::Result<std::string> Maildir::stage(const BodyNote& note, std::uint64_t size) {
    auto id = note.delivery;
    const bool delivery = id != base::Ulid{};
    if (!delivery) {
        for (std::size_t i = 0; i < id.bytes.size(); i += 8) {
            auto bits = random_->next();
            for (std::size_t j = i; j < i + 8; ++j, bits >>= 8U) id.bytes[j] = static_cast<std::uint8_t>(bits);
        }
        id.bytes[0] &= 0x7F;  // a ULID's text has 128 bits in 130
    }
    auto base = maildir::new_base(shared_.clock.wall(), id, delivery, size);
    db().run("INSERT INTO maildir_staged VALUES(?, ?)", note.email, base);
    added_.emplace_back(note.email, base);
    staging_dirty_ = true;
    return base;
}

base::Result<Place> Maildir::add(const BodyNote& note, std::string_view prefix, const Source& source) {
    Place place{0, 0, prefix.size() + source.size(), 0};
    const auto base = stage(note, place.size);
    if (!base) return std::unexpected(base.error());
    const auto path = root_ + "/tmp/" + *base;
    const auto file = disk_.open(path, base::OpenMode::create);
    if (!file) return std::unexpected(file.error());
    if (auto done = (*file)->write(0, prefix); !done) return std::unexpected(done.error());
    place.crc = base::crc32c(0, prefix);
    std::string piece(std::min<std::uint64_t>(kPiece, source.size()), '\0');
    for (std::uint64_t at = 0; at < source.size();) {
        const auto got = source.read_at(at, piece);
        if (!got) return std::unexpected(got.error());
        if (*got == 0) return damaged("a body is shorter than it was said to be");
        const auto part = std::string_view(piece).substr(0, *got);
        if (auto done = (*file)->write(prefix.size() + at, part); !done) return std::unexpected(done.error());
        place.crc = base::crc32c(place.crc, part);
        at += *got;
    }
    if (auto done = (*file)->sync(); !done) return std::unexpected(done.error());
    if (auto done = maildir::set_modified(path, note.received); !done) return std::unexpected(done.error());
    return place;
}

base::Result<Place> Maildir::adopt(const BodyNote& note, const std::string& staged, std::uint64_t size,
                                   std::uint32_t crc) {
    const auto base = stage(note, size);
    if (!base) return std::unexpected(base.error());
    const auto path = root_ + "/tmp/" + *base;
    if (auto moved = disk_.rename(staged, path); !moved) return std::unexpected(moved.error());
    if (auto done = maildir::set_modified(path, note.received); !done) return std::unexpected(done.error());
    return Place{0, 0, size, crc};
}

base::Result<void> Maildir::sync() {
    if (!staging_dirty_) return {};
    if (auto done = disk_.sync_directory(root_ + "/tmp"); !done) return done;
    staging_dirty_ = false;
    return {};
}

void Maildir::drop() {
    for (const auto& [email, base] : added_) (void)disk_.unlink(root_ + "/tmp/" + base);
    added_.clear();
    folders_.clear();
    if (std::exchange(looking_, false)) all_unknown_ = true;  // what was seen is to be looked at again
}

// ---- bytes go out, and away

base::Result<std::shared_ptr<base::File>> Maildir::open(EmailId email, const Place& place) {
    for (int attempt = 1;; ++attempt) {
        const auto path = path_of(email);
        if (!path) return std::unexpected(path.error());
        auto file = disk_.open(*path, base::OpenMode::read);
        if (!file && file.error().code == ENOENT && attempt < kAttempts) continue;
        if (!file) return file;
        const auto size = (*file)->size();
        if (!size) return std::unexpected(size.error());
        if (*size == place.size) return file;
        return maildir::with_line_ends(
            disk_, **file, fmt::format("{}/read-{}", shared_.staging(), shared_.next_staged.fetch_add(1)));
    }
}

base::Result<void> Maildir::remove(EmailId email, const Place&) {
    auto gone = disk_.unlink(grave(email));
    if (!gone && gone.error().code == ENOENT) return {};
    return gone;
}

base::Result<void> Maildir::sweep(GarbageReport& report) {
    const auto names = disk_.list(root_ + "/tmp");
    if (!names) return std::unexpected(names.error());
    const auto before =
        base::to_ms(shared_.clock.wall()) - std::chrono::duration_cast<std::chrono::milliseconds>(kOldFile).count();
    for (const auto& name : *names) {
        const auto path = root_ + "/tmp/" + name;
        const auto status = disk_.status(path);
        if (!status || !status->regular || status->modified_ms >= before) continue;
        if (db().value("SELECT count(*) FROM maildir_staged WHERE base = ?", name) != 0 || db().error()) continue;
        if (disk_.unlink(path)) report.octets_freed += status->size;
    }
    return {};
}

std::vector<std::string> Maildir::leave() { return {"bodies", "Maildir"}; }

}  // namespace posthorn::store
