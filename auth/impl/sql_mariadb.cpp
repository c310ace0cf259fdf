#include <fmt/format.h>
#include <mysql.h>

#include <algorithm>
#include <array>

#include "auth/impl/sql.hpp"

namespace posthorn::auth::impl {
namespace {

struct Close {
    void operator()(MYSQL* connection) const { mysql_close(connection); }
};
struct CloseStatement {
    void operator()(MYSQL_STMT* statement) const { mysql_stmt_close(statement); }
};
struct FreeResult {
    void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};

constexpr std::size_t kCell = 4096;  // octets of one value; what is longer is refused

class MariadbConnection final : public SqlConnection {
public:
    explicit MariadbConnection(std::unique_ptr<MYSQL, Close> connection) : connection_(std::move(connection)) {}

    base::Result<SqlRows> run(std::string_view statement, const SqlArguments& arguments) override {
        const auto marked = with_marks(statement, SqlMarks::question);
        const std::unique_ptr<MYSQL_STMT, CloseStatement> prepared(mysql_stmt_init(connection_.get()));
        if (!prepared || mysql_stmt_prepare(prepared.get(), marked.text.c_str(), marked.text.size()) != 0)
            return failure(prepared.get());
        std::vector<MYSQL_BIND> binds(marked.parameters.size());
        for (std::size_t i = 0; i < binds.size(); ++i)
            bind(binds[i], arguments.find(marked.parameters[i]), arguments);
        if (!binds.empty() && mysql_stmt_bind_param(prepared.get(), binds.data()) != 0)
            return failure(prepared.get());
        if (mysql_stmt_execute(prepared.get()) != 0) return failure(prepared.get());
        return fetch(prepared.get());
    }

    bool healthy() const override { return healthy_; }

private:
    // Whatever it was: a fresh connection costs little beside a login that waits on a broken one.
    std::unexpected<base::Error> failure(MYSQL_STMT* statement) {
        healthy_ = false;
        const char* text = statement != nullptr ? mysql_stmt_error(statement) : mysql_error(connection_.get());
        return base::fail(base::ErrorKind::temporary, fmt::format("mariadb: {}", text), "4.3.0");
    }

    static void bind(MYSQL_BIND& into, SqlArguments::const_iterator argument, const SqlArguments& all) {
        into.buffer_type = MYSQL_TYPE_NULL;
        if (argument == all.end() || !argument->second) return;
        const auto& text = *argument->second;  // outlives the statement, which only reads it
        into.buffer_type = MYSQL_TYPE_STRING;
        into.buffer = const_cast<char*>(text.data());
        into.buffer_length = text.size();
    }

    base::Result<SqlRows> fetch(MYSQL_STMT* statement) {
        struct Cell {
            std::array<char, kCell> text;
            unsigned long size = 0;
            my_bool null = 0;
            my_bool cut = 0;
        };
        SqlRows out;
        const std::unique_ptr<MYSQL_RES, FreeResult> meta(mysql_stmt_result_metadata(statement));
        if (!meta) return out;
        const auto columns = mysql_num_fields(meta.get());
        std::vector<Cell> cells(columns);
        std::vector<MYSQL_BIND> binds(columns);
        for (unsigned i = 0; i < columns; ++i) {
            out.columns.emplace_back(mysql_fetch_field_direct(meta.get(), i)->name);
            binds[i].buffer_type = MYSQL_TYPE_STRING;
            binds[i].buffer = cells[i].text.data();
            binds[i].buffer_length = kCell;
            binds[i].length = &cells[i].size;
            binds[i].is_null = &cells[i].null;
            binds[i].error = &cells[i].cut;
        }
        if (mysql_stmt_bind_result(statement, binds.data()) != 0) return failure(statement);
        while (true) {
            const int got = mysql_stmt_fetch(statement);
            if (got == MYSQL_NO_DATA) return out;
            if (got != 0) return failure(statement);
            auto& row = out.rows.emplace_back();
            for (const auto& cell : cells)
                row.push_back(cell.null != 0 ? SqlText()
                                             : SqlText(std::string(cell.text.data(),
                                                                   std::min<std::size_t>(cell.size, kCell))));
        }
    }

    std::unique_ptr<MYSQL, Close> connection_;
    bool healthy_ = true;
};

}  // namespace

base::Result<std::unique_ptr<SqlConnection>> open_mariadb(const SqlConfig& config) {
    std::unique_ptr<MYSQL, Close> connection(mysql_init(nullptr));
    if (!connection) return base::fail(base::ErrorKind::temporary, "mariadb: no memory", "4.3.0");
    const unsigned seconds = static_cast<unsigned>(
        std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(config.timeout).count()));
    for (const auto option : {MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT, MYSQL_OPT_WRITE_TIMEOUT})
        mysql_optionsv(connection.get(), option, &seconds);
    mysql_optionsv(connection.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
    const my_bool verify = config.verify_tls ? 1 : 0;
    mysql_optionsv(connection.get(), MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (config.verify_tls) mysql_optionsv(connection.get(), MYSQL_OPT_SSL_ENFORCE, &verify);
    const bool socket = config.host.starts_with('/');
    const auto* made = mysql_real_connect(connection.get(), socket ? nullptr : config.host.c_str(),
                                          config.user.c_str(), config.password.c_str(), config.database.c_str(),
                                          config.port, socket ? config.host.c_str() : nullptr, 0);
    if (made == nullptr)
        return base::fail(base::ErrorKind::temporary, fmt::format("mariadb: {}", mysql_error(connection.get())),
                          "4.3.0");
    return std::make_unique<MariadbConnection>(std::move(connection));
}

}  // namespace posthorn::auth::impl
