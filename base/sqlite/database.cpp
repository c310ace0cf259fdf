#include "base/sqlite/database.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_map>

#include "base/fd.hpp"

namespace posthorn::base::sqlite {
namespace {

Error error_of(int code, std::string text) {
    using enum ErrorKind;
    switch (code & 0xFF) {
        case SQLITE_FULL: return {temporary, "4.3.1", "Insufficient system storage", std::move(text), ENOSPC};
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return {temporary, "4.3.2", "System is busy, try again later", std::move(text), EBUSY};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return {temporary, "4.3.0", "Temporary local problem", std::move(text), EUCLEAN};
        case SQLITE_CANTOPEN:
        case SQLITE_NOMEM:
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_IOERR: return {temporary, "4.3.0", "Temporary local problem", std::move(text), EIO};
        case SQLITE_CONSTRAINT: return {internal, "4.3.0", "Temporary local problem", std::move(text), EEXIST};
        default: return {internal, "4.3.0", "Temporary local problem", std::move(text), 0};
    }
}

// The file as we want it before SQLite makes one after the umask; its journals take its mode.
Result<void> make_file(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return errno == EEXIST ? Result<void>() : fail_errno("create " + path, errno);
    if (::fchmod(fd.get(), 0600) != 0) return fail_errno("chmod " + path, errno);
    return {};
}

std::string uri(const std::string& path, bool immutable) {
    std::string out = "file:";
    for (const char c : path) {
        if (c == '%' || c == '?' || c == '#') {
            static constexpr char kDigits[] = "0123456789ABCDEF";
            out += '%';
            out += kDigits[static_cast<unsigned char>(c) >> 4U];
            out += kDigits[static_cast<unsigned char>(c) & 15U];
        } else {
            out += c;
        }
    }
    return immutable ? out + "?immutable=1" : out;
}

}  // namespace

// ---- Query

Query::Query(Query&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)), used_(other.used_) {}

Query::~Query() {
    if (statement_ == nullptr) return;
    if (used_ == nullptr) {
        sqlite3_finalize(statement_);
        return;
    }
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
    *used_ = false;
}

bool Query::next() {
    if (statement_ == nullptr || db_->error_) return false;
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) db_->failed(code, sqlite3_sql(statement_));
    return false;
}

std::int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Query::number(int column) const { return sqlite3_column_double(statement_, column); }
bool Query::null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::string_view Query::text(int column) const {
    const void* bytes = sqlite3_column_blob(statement_, column);
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

void Query::bind(int index, std::int64_t value) { sqlite3_bind_int64(statement_, index, value); }
void Query::bind(int index, double value) { sqlite3_bind_double(statement_, index, value); }

void Query::bind(int index, std::string_view text) {
    const int code = sqlite3_bind_text64(statement_, index, text.data() == nullptr ? "" : text.data(), text.size(),
                                         SQLITE_TRANSIENT, SQLITE_UTF8);
    if (code != SQLITE_OK) db_->failed(code, "bind");
}

void Query::bind(int index, Blob blob) {
    const auto* data = blob.bytes.data() == nullptr ? "" : blob.bytes.data();
    const int code = sqlite3_bind_blob64(statement_, index, data, blob.bytes.size(), SQLITE_TRANSIENT);
    if (code != SQLITE_OK) db_->failed(code, "bind");
}

// ---- Database

struct Database::Cache {
    struct Entry {
        sqlite3_stmt* statement = nullptr;
        bool used = false;
    };
    std::unordered_map<const char*, Entry> entries;
};

Result<std::unique_ptr<Database>> Database::open(const std::string& path, OpenOptions options) {
    const bool read_only = options.read_only || options.immutable;
    if (options.create && !read_only) {
        if (auto made = make_file(path); !made) return std::unexpected(made.error());
    }
    sqlite3* raw = nullptr;
    const int flags =
        (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
    const int code = sqlite3_open_v2(uri(path, options.immutable).c_str(), &raw, flags, nullptr);
    std::unique_ptr<Database> db(new Database(raw, path));
    if (code != SQLITE_OK)
        return std::unexpected(error_of(code, "open " + path + ": " + (raw ? sqlite3_errmsg(raw) : "no memory")));
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, options.busy_ms);
    return db;
}

Database::Database(sqlite3* db, std::string path)
    : db_(db), path_(std::move(path)), cache_(std::make_unique<Cache>()) {}

Database::~Database() {
    for (auto& [sql, entry] : cache_->entries) sqlite3_finalize(entry.statement);
    sqlite3_close(db_);
}

void Database::failed(int code, std::string_view what) {
    fail(error_of(code, path_ + ": " + sqlite3_errmsg(db_) + " (" + std::string(what) + ")"));
}

Result<void> Database::take_error() {
    if (!error_) return {};
    auto error = *std::exchange(error_, std::nullopt);
    return std::unexpected(std::move(error));
}

Query Database::prepare(const char* sql) {
    if (error_) return {*this, nullptr, nullptr};
    auto& entry = cache_->entries[sql];
    if (entry.used) return prepare_once(sql);
    if (entry.statement == nullptr) {
        const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &entry.statement, nullptr);
        if (code != SQLITE_OK) {
            failed(code, sql);
            return {*this, nullptr, nullptr};
        }
    }
    entry.used = true;
    return {*this, entry.statement, &entry.used};
}

Query Database::prepare_once(const std::string& sql) {
    if (error_) return {*this, nullptr, nullptr};
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
    if (code != SQLITE_OK) failed(code, sql);
    return {*this, statement, nullptr};
}

void Database::script(const std::string& sql) {
    if (error_) return;
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) failed(code, sql);
}

std::int64_t Database::last_id() const { return sqlite3_last_insert_rowid(db_); }
std::int64_t Database::changes() const { return sqlite3_changes64(db_); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

Result<void> Database::copy_to(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail_errno("create " + path, errno);
    if (::fchmod(fd.get(), 0600) != 0) return fail_errno("chmod " + path, errno);
    auto target = open(path, {.create = false});
    if (!target) return std::unexpected(target.error());
    (*target)->script("PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF;");
    auto* copying = sqlite3_backup_init((*target)->db_, "main", db_, "main");
    if (copying == nullptr)
        return std::unexpected(error_of(SQLITE_ERROR, path + ": " + sqlite3_errmsg((*target)->db_)));
    const int code = sqlite3_backup_step(copying, -1);
    sqlite3_backup_finish(copying);
    if (code != SQLITE_DONE)
        return std::unexpected(error_of(code, "copy " + path_ + " to " + path + ": " + sqlite3_errstr(code)));
    target->reset();
    if (::fsync(fd.get()) != 0) return fail_errno("fsync " + path, errno);
    return {};
}

// ---- transactions

Result<void> Transaction::commit() {
    db_.run("COMMIT");
    if (!db_.error()) {
        open_ = false;
        return {};
    }
    auto error = db_.take_error();
    roll_back();
    return error;
}

// SQLite may have rolled back by itself.
void Transaction::roll_back() {
    open_ = false;
    (void)db_.take_error();
    if (db_.in_transaction()) db_.run("ROLLBACK");
    (void)db_.take_error();
}

Result<void> Savepoint::keep() {
    db_.run("RELEASE part");
    if (!db_.error()) {
        open_ = false;
        return {};
    }
    auto error = db_.take_error();
    roll_back();
    return error;
}

void Savepoint::roll_back() {
    open_ = false;
    (void)db_.take_error();
    if (!db_.in_transaction()) return;
    db_.run("ROLLBACK TO part");
    db_.run("RELEASE part");
}

}  // namespace posthorn::base::sqlite
