// SQL as thinly as the directory needs it: one connection, statements with named parameters, rows of texts. Behind it
// SQLite, PostgreSQL and MariaDB look the same (sql_sqlite.cpp, sql_postgresql.cpp, sql_mariadb.cpp). Everything here
// blocks: on a pool only, one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/config.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::auth::impl {

using SqlText = std::optional<std::string>;  // nothing: NULL

struct SqlRows {
    std::vector<std::string> columns;
    std::vector<std::vector<SqlText>> rows;

    // Column number of a name; nothing: there is none.
    std::optional<std::size_t> column(std::string_view name) const;
};

// A statement whose ":name" parameters became the engine's own marks, in the order in which they stand there. Texts in
// quotes, and "::" of PostgreSQL, are left alone.
struct SqlStatement {
    std::string text;
    std::vector<std::string> parameters;
};
enum class SqlMarks : std::uint8_t { question, dollar };  // "?" or "$1"
SqlStatement with_marks(std::string_view text, SqlMarks marks);

using SqlArguments = std::map<std::string, SqlText, std::less<>>;  // by parameter name

class SqlConnection {
public:
    virtual ~SqlConnection() = default;
    // One statement. A temporary error: the server is away, slow or locked; a permanent one: it does not take this. A
    // parameter without an argument is NULL.
    virtual base::Result<SqlRows> run(std::string_view statement, const SqlArguments& arguments) = 0;
    // False: the connection is of no more use.
    virtual bool healthy() const = 0;
};

// Each gives a temporary error when the other end cannot be reached within the configured time.
base::Result<std::unique_ptr<SqlConnection>> open_sqlite(const std::string& path,
                                                         base::Duration timeout);  // to read
base::Result<std::unique_ptr<SqlConnection>> open_postgresql(const SqlConfig& config);
base::Result<std::unique_ptr<SqlConnection>> open_mariadb(const SqlConfig& config);

}  // namespace posthorn::auth::impl
