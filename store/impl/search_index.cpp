#include "store/impl/search_index.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "store/impl/refuse.hpp"

namespace posthorn::store {

using base::sqlite::Blob;
using base::sqlite::Database;
using base::sqlite::Query;
using base::sqlite::Transaction;

namespace {

constexpr int kVersion = 1;
constexpr std::uint64_t kRows = 4096;           // of a group
constexpr std::size_t kOverlap = 64;            // a column also counts so many octets of the next one,
constexpr std::size_t kNeedle = kOverlap;       // and so many of a needle are looked for
constexpr std::size_t kMaxEnvelope = 2 * 1024;  // octets
constexpr std::uint64_t kFewDead = 4096;
constexpr int kNear = 16;  // rows that are walked past rather than looked for

enum Flag : std::uint8_t { kWhole = 1, kEnvelopeWhole = 2 };

// What a crash takes is made again: nothing here waits for the disk but the log's own order.
constexpr const char* kPragmas =
    "PRAGMA page_size=16384; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2000; PRAGMA wal_autocheckpoint=500;"
    "PRAGMA journal_size_limit=8388608;";
constexpr const char* kSchema = R"sql(
CREATE TABLE state(
    id INTEGER PRIMARY KEY CHECK(id = 1), next_column INTEGER NOT NULL, sealed INTEGER NOT NULL, dead INTEGER NOT NULL,
    upto INTEGER NOT NULL);
INSERT INTO state VALUES(1, 0, 0, 0, 0);
CREATE TABLE doc(
    email INTEGER PRIMARY KEY, size INTEGER NOT NULL, head INTEGER NOT NULL, flags INTEGER NOT NULL,
    first INTEGER NOT NULL, columns INTEGER NOT NULL, envelope BLOB NOT NULL);
CREATE INDEX doc_first ON doc(first);
CREATE TABLE text(email INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE filter(slot INTEGER PRIMARY KEY, bits BLOB NOT NULL);
)sql";

std::uint64_t row_of(const char* trigram) {
    const auto octet = [trigram](int i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(trigram[i]));
    };
    return ((octet(0) | octet(1) << 8U | octet(2) << 16U) * 0x9E3779B1U) >> 20U;
}

// The lines of a header that searches ask for most.
std::string envelope_of(std::string_view head) {
    std::string out;
    while (!head.empty()) {
        const auto end = std::min(head.find('\n', 1), head.size());
        const auto line = head.substr(0, end);
        head.remove_prefix(end);
        if (SearchIndex::is_envelope(line.substr(1, line.find(':') - 1))) out += line;
    }
    return out;
}

}  // namespace

bool SearchIndex::is_envelope(std::string_view folded_name) {
    static constexpr std::string_view kNames[] = {"SUBJECT", "FROM",   "TO",       "CC",
                                                  "BCC",     "SENDER", "REPLY-TO", "MESSAGE-ID"};
    return std::ranges::find(kNames, folded_name) != std::end(kNames);
}

base::Result<std::unique_ptr<SearchIndex>> SearchIndex::open(const std::string& path, EmailId next_id, bool make) {
    if (!make && ::access(path.c_str(), F_OK) != 0) return refuse(ENOENT, path + " is not there");
    auto db = Database::open(path);
    if (!db) return std::unexpected(db.error());
    std::unique_ptr<SearchIndex> index(new SearchIndex(*std::move(db)));
    if (auto loaded = index->load(next_id); !loaded) return std::unexpected(loaded.error());
    return index;
}

void SearchIndex::remove_files(const std::string& path) {
    for (const auto* part : {"", "-wal", "-shm", "-journal"}) ::unlink((path + part).c_str());
}

base::Result<void> SearchIndex::load(EmailId next_id) {
    db_->script(kPragmas);
    const auto version = db_->value("PRAGMA user_version");
    if (auto good = db_->take_error(); !good) return good;
    if (version == 0) {
        Transaction all(*db_);
        db_->script(std::string(kSchema) + "PRAGMA user_version=" + std::to_string(kVersion));
        if (auto made = all.commit(); !made) return made;
    } else if (version != kVersion) {
        return damaged(db_->path() + " is of another version");
    }
    auto row = db_->query("SELECT next_column, sealed, dead, upto FROM state");
    if (row.next()) {
        next_column_ = row.uinteger(0);
        sealed_ = row.uinteger(1);
        dead_ = row.uinteger(2);
        upto_ = row.uinteger(3);
    }
    const auto newest = static_cast<EmailId>(db_->value("SELECT ifnull(max(email), 0) FROM doc"));
    if (auto good = db_->take_error(); !good) return good;
    if (newest >= next_id || upto_ >= next_id) return damaged(db_->path() + " knows more than its index");
    return {};
}

void SearchIndex::write_state() {
    db_->run("UPDATE state SET next_column = ?, sealed = ?, dead = ?, upto = ?", next_column_, sealed_, dead_,
             upto_);
}

base::Result<void> SearchIndex::add(const std::vector<Doc>& docs) {
    const auto before = next_column_;
    Transaction all(*db_);
    for (const auto& doc : docs) {
        const auto envelope = envelope_of(doc.head);
        const auto flags = (doc.whole ? kWhole : 0) | (envelope.size() <= kMaxEnvelope ? kEnvelopeWhole : 0);
        const auto octets = doc.head.size() + doc.body.size();
        const auto columns = octets / kColumn + 1;
        db_->run("INSERT OR IGNORE INTO doc VALUES(?, ?, ?, ?, ?, ?, ?)", doc.email, doc.size, doc.head.size(),
                 flags, next_column_, columns, Blob{std::string_view(envelope).substr(0, kMaxEnvelope)});
        if (db_->changes() == 0) continue;
        db_->run("INSERT OR REPLACE INTO text VALUES(?, ?)", doc.email, Blob{doc.head + doc.body});
        next_column_ += columns;
    }
    write_state();
    auto done = all.commit();
    if (!done) {
        next_column_ = before;
        return done;
    }
    if (next_column_ >= (sealed_ + 1) * kGroup) return seal();
    return done;
}

// The rows of the next group.
base::Result<void> SearchIndex::seal() {
    constexpr auto kWords = kGroup / 64;
    const auto begin = sealed_ * kGroup;
    const auto end = begin + kGroup;
    std::vector<std::uint64_t> bits(kRows * kWords);
    Transaction all(*db_);
    {
        auto docs = db_->query(
            "SELECT d.first, d.columns, t.bytes FROM doc d JOIN text t ON t.email = d.email WHERE d.first < ?2 AND"
            " d.first >= ifnull((SELECT max(first) FROM doc WHERE first <= ?1), 0)",
            begin, end);
        while (docs.next()) {
            const auto text = docs.blob(2);
            for (std::uint64_t i = 0; i < docs.uinteger(1); ++i) {
                const auto column = docs.uinteger(0) + i;
                if (column < begin || column >= end || i * kColumn >= text.size()) continue;
                const auto piece = text.substr(i * kColumn, kColumn + kOverlap);
                const auto word = (column - begin) / 64;
                const auto bit = std::uint64_t{1} << (column - begin) % 64;
                for (std::size_t at = 0; at + 3 <= piece.size(); ++at)
                    bits[row_of(piece.data() + at) * kWords + word] |= bit;
            }
        }
    }
    for (std::uint64_t row = 0; row < kRows; ++row) {
        const auto* first = &bits[row * kWords];
        if (std::all_of(first, first + kWords, [](auto word) { return word == 0; })) continue;
        db_->run("INSERT OR REPLACE INTO filter VALUES(?, ?)", sealed_ * kRows + row,
                 Blob{{reinterpret_cast<const char*>(first), kWords * sizeof(std::uint64_t)}});
    }
    ++sealed_;
    write_state();
    auto done = all.commit();
    if (!done) --sealed_;
    return done;
}

base::Result<void> SearchIndex::remove(const std::vector<EmailId>& emails) {
    const auto before = dead_;
    {
        Transaction all(*db_);
        for (const auto email : emails) {
            dead_ += static_cast<std::uint64_t>(db_->value("SELECT columns FROM doc WHERE email = ?", email));
            db_->run("DELETE FROM text WHERE email = ?", email);
            db_->run("DELETE FROM doc WHERE email = ?", email);
        }
        write_state();
        if (auto done = all.commit(); !done) {
            dead_ = before;
            return done;
        }
    }
    // More dead than alive: what remains is read again, and stands close together.
    if (dead_ > kFewDead && dead_ * 2 > next_column_)
        return damaged(db_->path() + " is mostly of mail that is gone");
    return {};
}

base::Result<void> SearchIndex::set_upto(EmailId email) {
    const auto before = std::exchange(upto_, email);
    Transaction all(*db_);
    write_state();
    auto done = all.commit();
    if (!done) upto_ = before;
    return done;
}

std::string SearchIndex::text(EmailId email) {
    auto row = db_->query("SELECT bytes FROM text WHERE email = ?", email);
    return row.next() ? std::string(row.blob(0)) : std::string();
}

// ---- finding

const SearchIndex::Known* SearchIndex::Cursor::find(EmailId email) {
    const auto last = std::exchange(asked_, email);
    for (int walked = 0; rows_ && !end_ && at_.email < email && walked < kNear; ++walked) next();
    if (!rows_ || email < last || (!end_ && at_.email < email)) {
        rows_.reset();
        rows_.emplace(index_.db_->query(
            "SELECT email, size, head, flags, first, columns, envelope FROM doc WHERE email >= ? ORDER BY email",
            email));
        end_ = false;
        next();
    }
    return !end_ && at_.email == email ? &at_ : nullptr;
}

void SearchIndex::Cursor::next() {
    if (!rows_->next()) {
        end_ = true;
        at_ = {};
        return;
    }
    const auto flags = rows_->uinteger(3);
    at_ = {.email = rows_->uinteger(0),
           .size = rows_->uinteger(1),
           .head = rows_->uinteger(2),
           .whole = (flags & kWhole) != 0,
           .envelope_whole = (flags & kEnvelopeWhole) != 0,
           .column = rows_->uinteger(4),
           .columns = rows_->uinteger(5),
           .envelope = rows_->blob(6)};
}

bool SearchIndex::Sieve::may_hold(const Known& known, std::size_t key) {
    return std::ranges::all_of(needles_.keys()[key].parts, [&](std::string_view part) {
        if (part.size() < 3) return true;
        for (auto column = known.column; column < known.column + known.columns; ++column) {
            const auto group = column / kGroup;
            if (group >= index_.sealed_) return true;
            const auto at = column % kGroup;
            if ((bits(group, part)[at / 64] >> at % 64 & 1U) != 0) return true;
        }
        return false;
    });
}

const SearchIndex::Sieve::Bits& SearchIndex::Sieve::bits(std::uint64_t group, std::string_view part) {
    const std::pair wanted{group, part};
    if (const auto found = known_.find(wanted); found != known_.end()) return found->second;
    if (!known_.empty() && known_.begin()->first.first + 1 < group) known_.clear();  // they come ascending
    Bits all;
    all.fill(~std::uint64_t{0});
    for (std::size_t at = 0; at + 3 <= std::min(part.size(), kNeedle); ++at) {
        Bits row{};
        auto stored =
            index_.db_->query("SELECT bits FROM filter WHERE slot = ?", group * kRows + row_of(part.data() + at));
        if (stored.next() && stored.blob(0).size() == sizeof(row))
            std::memcpy(row.data(), stored.blob(0).data(), sizeof(row));
        for (std::size_t i = 0; i < row.size(); ++i) all[i] &= row[i];
    }
    return known_.emplace(wanted, all).first->second;
}

}  // namespace posthorn::store
