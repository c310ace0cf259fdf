#include <fmt/format.h>
#include <sqlite3.h>

#include "auth/impl/sql.hpp"

namespace posthorn::auth::impl {
namespace {

struct CloseDatabase {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

std::unexpected<base::Error> failure(std::string_view what, sqlite3* db, int code) {
    const auto text = fmt::format("{}: {}", what, db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    return base::fail(base::ErrorKind::temporary, text, "4.3.0");
}

class SqliteConnection final : public SqlConnection {
public:
    SqliteConnection(std::string path, std::unique_ptr<sqlite3, CloseDatabase> db)
        : path_(std::move(path)), db_(std::move(db)) {}

    base::Result<SqlRows> run(std::string_view statement, const SqlArguments& arguments) override {
        const auto marked = with_marks(statement, SqlMarks::question);
        sqlite3_stmt* raw = nullptr;
        const int prepared = sqlite3_prepare_v2(db_.get(), marked.text.c_str(), -1, &raw, nullptr);
        const std::unique_ptr<sqlite3_stmt, Finalize> held(raw);
        if (prepared != SQLITE_OK || raw == nullptr) return failure(path_, db_.get(), prepared);
        for (std::size_t i = 0; i < marked.parameters.size(); ++i)
            bind(raw, i, arguments.find(marked.parameters[i]), arguments);
        return fetch(raw);
    }

    bool healthy() const override { return true; }

private:
    static void bind(sqlite3_stmt* statement, std::size_t index, SqlArguments::const_iterator argument,
                     const SqlArguments& all) {
        const int position = static_cast<int>(index) + 1;
        if (argument == all.end() || !argument->second) {
            sqlite3_bind_null(statement, position);
            return;
        }
        const auto& text = *argument->second;  // outlives the statement
        sqlite3_bind_text64(statement, position, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
    }

    base::Result<SqlRows> fetch(sqlite3_stmt* statement) {
        SqlRows out;
        const int columns = sqlite3_column_count(statement);
        for (int i = 0; i < columns; ++i) out.columns.emplace_back(sqlite3_column_name(statement, i));
        while (true) {
            const int step = sqlite3_step(statement);
            if (step == SQLITE_DONE) break;
            if (step != SQLITE_ROW) return failure(path_, db_.get(), step);
            auto& row = out.rows.emplace_back();
            for (int i = 0; i < columns; ++i) {
                const auto* text = sqlite3_column_text(statement, i);
                const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, i));
                row.push_back(text != nullptr ? SqlText(std::string(reinterpret_cast<const char*>(text), size))
                                              : SqlText());
            }
        }
        return out;
    }

    const std::string path_;
    std::unique_ptr<sqlite3, CloseDatabase> db_;
};

}  // namespace

base::Result<std::unique_ptr<SqlConnection>> open_sqlite(const std::string& path, base::Duration timeout) {
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<sqlite3, CloseDatabase> db(raw);
    if (opened != SQLITE_OK) return failure(path, raw, opened);
    sqlite3_busy_timeout(raw, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count()));
    return std::make_unique<SqliteConnection>(path, std::move(db));
}

}  // namespace posthorn::auth::impl
