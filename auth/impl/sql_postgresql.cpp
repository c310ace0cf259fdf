#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>

#include "auth/impl/sql.hpp"

namespace posthorn::auth::impl {
namespace {

struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
};

std::string one_line(const char* text) {
    std::string out(text != nullptr ? text : "");
    std::ranges::replace(out, '\n', ' ');
    while (out.ends_with(' ')) out.pop_back();
    return out;
}

class PostgresqlConnection final : public SqlConnection {
public:
    explicit PostgresqlConnection(std::unique_ptr<PGconn, Finish> connection)
        : connection_(std::move(connection)) {}

    base::Result<SqlRows> run(std::string_view statement, const SqlArguments& arguments) override {
        const auto marked = with_marks(statement, SqlMarks::dollar);
        std::vector<const char*> values;
        for (const auto& name : marked.parameters) {
            const auto found = arguments.find(name);
            values.push_back(found != arguments.end() && found->second ? found->second->c_str() : nullptr);
        }
        const std::unique_ptr<PGresult, Clear> result(PQexecParams(connection_.get(), marked.text.c_str(),
                                                                   static_cast<int>(values.size()), nullptr,
                                                                   values.data(), nullptr, nullptr, 0));
        const auto status = PQresultStatus(result.get());
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
            return base::fail(base::ErrorKind::temporary,
                              "postgresql: " + one_line(PQerrorMessage(connection_.get())), "4.3.0");
        return rows_of(result.get());
    }

    bool healthy() const override { return PQstatus(connection_.get()) == CONNECTION_OK; }

private:
    static SqlRows rows_of(PGresult* result) {
        SqlRows out;
        const int columns = PQnfields(result);
        for (int i = 0; i < columns; ++i) out.columns.emplace_back(PQfname(result, i));
        for (int r = 0; r < PQntuples(result); ++r) {
            auto& row = out.rows.emplace_back();
            for (int i = 0; i < columns; ++i) {
                const auto size = static_cast<std::size_t>(PQgetlength(result, r, i));
                row.push_back(PQgetisnull(result, r, i) != 0
                                  ? SqlText()
                                  : SqlText(std::string(PQgetvalue(result, r, i), size)));
            }
        }
        return out;
    }

    std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace

base::Result<std::unique_ptr<SqlConnection>> open_postgresql(const SqlConfig& config) {
    using std::chrono::milliseconds;
    const auto ms = std::chrono::ceil<milliseconds>(config.timeout).count();
    const auto seconds = std::to_string(std::max<std::int64_t>(2, (ms + 999) / 1000));  // libpq takes 1 for 2
    const auto port = config.port != 0 ? std::to_string(config.port) : std::string();
    // The server ends a statement that is slow; the kernel a connection whose other end has gone.
    const auto options = fmt::format("-c statement_timeout={}", ms);
    const auto silence = std::to_string(ms);
    const char* const keys[] = {"host",
                                "port",
                                "dbname",
                                "user",
                                "password",
                                "connect_timeout",
                                "options",
                                "sslmode",
                                "tcp_user_timeout",
                                "application_name",
                                "client_encoding",
                                nullptr};
    const char* const values[] = {config.host.c_str(),
                                  port.c_str(),
                                  config.database.c_str(),
                                  config.user.c_str(),
                                  config.password.c_str(),
                                  seconds.c_str(),
                                  options.c_str(),
                                  config.verify_tls ? "verify-full" : "prefer",
                                  silence.c_str(),
                                  "posthorn",
                                  "UTF8",
                                  nullptr};
    std::unique_ptr<PGconn, Finish> connection(PQconnectdbParams(keys, values, 0));
    if (PQstatus(connection.get()) != CONNECTION_OK)
        return base::fail(base::ErrorKind::temporary, "postgresql: " + one_line(PQerrorMessage(connection.get())),
                          "4.3.0");
    return std::make_unique<PostgresqlConnection>(std::move(connection));
}

}  // namespace posthorn::auth::impl
