// SQLite as we use it: one connection, statements prepared once, values bound by position, errors that stick.
//
//   auto query = db.query("SELECT uid, name FROM box WHERE parent = ?", parent);
//   while (query.next()) use(query.integer(0), query.text(1));
//   if (auto& error = db.error()) ...
//
// **Errors stick**: the first failure is kept in the Database, every later statement does nothing and gives no rows,
// until take_error(). So a unit of work runs all its statements and asks once, at its end (Transaction does).
//
// Not thread-safe: one thread at a time, any. Every call may block.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace posthorn::base::sqlite {

struct Blob {
    std::string_view bytes;
};

class Database;

// A statement in use; it goes back to the database when this goes. Not longer-lived than the Database.
class Query {
public:
    Query(Query&& other) noexcept;
    Query& operator=(Query&&) = delete;
    ~Query();

    // True: there is a row, valid until the next call. False: that was all, or it failed.
    bool next();
    void run() {
        while (next()) {
        }
    }

    // Of the row, columns from 0. NULL is 0 and "". Views are valid until next().
    std::int64_t integer(int column) const;
    std::uint64_t uinteger(int column) const { return static_cast<std::uint64_t>(integer(column)); }
    double number(int column) const;
    std::string_view text(int column) const;
    std::string_view blob(int column) const { return text(column); }
    bool null(int column) const;

private:
    friend class Database;
    Query(Database& db, sqlite3_stmt* statement, bool* used) : db_(&db), statement_(statement), used_(used) {}

    void bind(int index, std::int64_t value);
    void bind(int index, double value);
    void bind(int index, std::string_view text);
    void bind(int index, Blob blob);
    void bind(int, std::nullptr_t) {}
    template <class T>
        requires std::is_integral_v<T> || std::is_enum_v<T>
    void bind(int index, T value) {
        bind(index, static_cast<std::int64_t>(value));
    }
    void bind(int index, const char* text) { bind(index, std::string_view(text)); }
    void bind(int index, const std::string& text) { bind(index, std::string_view(text)); }
    template <class T>
    void bind(int index, const std::optional<T>& value) {
        if (value) bind(index, *value);
    }

    Database* db_;
    sqlite3_stmt* statement_;  // null: it could not be prepared
    bool* used_;               // of the cache's entry; null: the statement is ours alone
};

struct OpenOptions {
    bool create = true;
    bool read_only = false;
    bool immutable = false;  // read only, and nobody changes the file: no lock, no journal is looked at
    int busy_ms = 5000;      // how long to wait for another connection's lock
};

class Database {
public:
    // The file's mode is 0600 when it is made here, whatever the umask.
    static Result<std::unique_ptr<Database>> open(const std::string& path, OpenOptions options = {});
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // `sql`: one statement, a literal: it is prepared once and found again by its address.
    template <class... Args>
    Query query(const char* sql, const Args&... args) {
        return bound(prepare(sql), args...);
    }
    // Of a text made now; prepared for this use.
    template <class... Args>
    Query query_text(const std::string& sql, const Args&... args) {
        return bound(prepare_once(sql), args...);
    }
    template <class... Args>
    void run(const char* sql, const Args&... args) {
        query(sql, args...).run();
    }
    // Several statements, without values; rows are dropped.
    void script(const std::string& sql);
    // The first column of the first row; 0 where there is none.
    template <class... Args>
    std::int64_t value(const char* sql, const Args&... args) {
        auto one = query(sql, args...);
        return one.next() ? one.integer(0) : 0;
    }

    std::int64_t last_id() const;
    std::int64_t changes() const;  // rows the last statement changed
    bool in_transaction() const;
    const std::string& path() const { return path_; }

    const std::optional<Error>& error() const { return error_; }
    Result<void> take_error();
    void fail(Error error) {
        if (!error_) error_ = std::move(error);
    }

    // A consistent copy of the whole, into a file that must not be there, synced; mode 0600.
    Result<void> copy_to(const std::string& path);

private:
    friend class Query;
    struct Cache;
    Database(sqlite3* db, std::string path);

    template <class... Args>
    Query bound(Query query, const Args&... args) {
        [[maybe_unused]] int index = 0;
        if (query.statement_ != nullptr) (query.bind(++index, args), ...);
        return query;
    }
    Query prepare(const char* sql);
    Query prepare_once(const std::string& sql);
    void failed(int code, std::string_view what);

    sqlite3* db_;
    std::string path_;
    std::unique_ptr<Cache> cache_;
    std::optional<Error> error_;
};

// BEGIN IMMEDIATE … COMMIT; rolled back when it goes without. commit() gives the error that stuck, if one did.
class Transaction {
public:
    explicit Transaction(Database& db) : db_(db) { db_.run("BEGIN IMMEDIATE"); }
    ~Transaction() {
        if (open_) roll_back();
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    Result<void> commit();

private:
    void roll_back();
    Database& db_;
    bool open_ = true;
};

// A part of a transaction that can fail alone.
class Savepoint {
public:
    explicit Savepoint(Database& db) : db_(db) { db_.run("SAVEPOINT part"); }
    ~Savepoint() {
        if (open_) roll_back();
    }
    Savepoint(const Savepoint&) = delete;
    Savepoint& operator=(const Savepoint&) = delete;

    Result<void> keep();
    void roll_back();

private:
    Database& db_;
    bool open_ = true;
};

}  // namespace posthorn::base::sqlite
