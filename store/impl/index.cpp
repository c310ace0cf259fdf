#include "store/impl/index.hpp"

#include <algorithm>

#include "store/impl/refuse.hpp"
#include "store/impl/schema.hpp"

namespace posthorn::store {

using base::sqlite::Database;
using base::sqlite::Transaction;

namespace {

constexpr std::pair<const char*, Role> kFirst[] = {{"INBOX", Role::inbox}, {"Drafts", Role::drafts},
                                                   {"Sent", Role::sent},   {"Junk", Role::junk},
                                                   {"Trash", Role::trash}, {"Archive", Role::archive}};

// Exclusive: nobody else has business in here, and the shared-memory file can be done without. Every commit is
// durable when it returns (synchronous=FULL syncs the log at each).
constexpr const char* kPragmas =
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_size=-2000; PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=8388608;";

}  // namespace

base::Result<std::unique_ptr<Index>> Index::open(const std::string& path, const mail::AccountName& account,
                                                 const base::Clock& clock, bool may_make) {
    auto db = Database::open(path);
    if (!db) return std::unexpected(db.error());
    std::unique_ptr<Index> index(new Index(std::move(*db), account, clock));
    index->db_->script(kPragmas);
    const auto version = index->db_->value("PRAGMA user_version");
    if (auto good = index->db_->take_error(); !good) return std::unexpected(good.error());
    if (version > kSchemaVersion) {
        return base::fail(
            base::ErrorKind::permanent,
            path + " is of a newer version (" + std::to_string(version) +
                ") than this server knows: run the newer server, or restore a backup of the older one");
    }
    if (version == 0) {
        if (!may_make) return damaged(path + " is empty");
        if (auto made = index->make(account); !made) return std::unexpected(made.error());
    }
    if (auto loaded = index->load(); !loaded) return std::unexpected(loaded.error());
    return index;
}

base::Result<void> Index::make(const mail::AccountName& account) {
    Transaction all(*db_);
    db_->script(kSchema);
    db_->run("INSERT INTO account VALUES(1, ?, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0)", account.text());
    for (const auto& [name, role] : kFirst) {
        make_mailbox(name, role);
        db_->run("INSERT INTO subscription VALUES(?)", name);
    }
    write_counters();
    db_->script("PRAGMA application_id=" + std::to_string(kApplicationId) +
                "; PRAGMA user_version=" + std::to_string(kSchemaVersion));
    return all.commit();
}

base::Result<void> Index::load() {
    auto row = db_->query(
        "SELECT modseq, reserved, trimmed, next_id, uid_validity, reserved_validity, clean, bytes, messages,"
        " grave_bytes, grave_messages FROM account WHERE id = 1");
    if (!row.next()) {
        if (auto good = db_->take_error(); !good) return good;
        return damaged(db_->path() + ": the account's row is missing");
    }
    counters_ = {.modseq = row.uinteger(0),
                 .reserved = row.uinteger(1),
                 .trimmed = row.uinteger(2),
                 .next_id = row.uinteger(3),
                 .uid_validity = static_cast<UidValidity>(row.integer(4)),
                 .reserved_validity = static_cast<UidValidity>(row.integer(5)),
                 .clean = row.integer(6) != 0,
                 .bytes = row.uinteger(7),
                 .messages = row.uinteger(8),
                 .grave_bytes = row.uinteger(9),
                 .grave_messages = row.uinteger(10)};
    written_ = counters_;
    auto names = db_->query("SELECT name FROM keyword ORDER BY n");
    while (names.next()) keywords_.emplace_back(names.text(0));
    touched_.clear();
    return db_->take_error();
}

void Index::restore(const State& state) {
    counters_ = state.counters;
    keywords_.resize(state.keywords);
    touched_.resize(std::min(touched_.size(), state.touched));
}

void Index::abandon(const State& state) {
    restore(state);
    written_ = counters_;
}

void Index::write_counters() {
    if (counters_ == written_) return;
    const auto& c = counters_;
    db_->run(
        "UPDATE account SET modseq = ?, reserved = ?, trimmed = ?, next_id = ?, uid_validity = ?,"
        " reserved_validity = ?, clean = ?, bytes = ?, messages = ?, grave_bytes = ?, grave_messages = ?",
        c.modseq, c.reserved, c.trimmed, c.next_id, c.uid_validity, c.reserved_validity, c.clean, c.bytes,
        c.messages, c.grave_bytes, c.grave_messages);
    written_ = counters_;
}

std::vector<MailboxId> Index::take_touched() { return std::exchange(touched_, {}); }

}  // namespace posthorn::store
