#include "auth/impl/sql_backend.hpp"

#include <algorithm>
#include <charconv>

namespace posthorn::auth::impl {
namespace {

// One row of the account query, read by the names of its columns; those it has not stay as they are.
class Row {
public:
    explicit Row(const SqlRows& rows) : rows_(rows) {}

    std::string_view text(std::string_view column) const {
        const auto at = rows_.column(column);
        if (!at || !rows_.rows.front()[*at]) return {};
        return *rows_.rows.front()[*at];
    }
    bool truth(std::string_view column) const {
        const auto t = text(column);
        return t == "1" || t == "t" || t == "true" || t == "TRUE" || t == "y" || t == "Y";
    }
    template <class N>
    void number(std::string_view column, N& into) const {
        const auto t = text(column);
        std::from_chars(t.data(), t.data() + t.size(), into);
    }

private:
    const SqlRows& rows_;
};

// A collation may find ann's row for änn: a row that tells its address is only that address's.
bool is_row_of(const SqlRows& rows, const mail::AccountName& name) {
    if (rows.rows.empty()) return false;
    return !rows.column("address") || mail::parse_account_name(Row(rows).text("address")) == name;
}

std::string_view engine_name(SqlEngine engine) {
    switch (engine) {
        case SqlEngine::sqlite: return "sql (sqlite)";
        case SqlEngine::postgresql: return "sql (postgresql)";
        case SqlEngine::mariadb: return "sql (mariadb)";
    }
    return "sql";
}

base::Result<std::unique_ptr<SqlConnection>> connect(const SqlConfig& config) {
    switch (config.engine) {
        case SqlEngine::sqlite: return open_sqlite(config.database, config.timeout);
        case SqlEngine::postgresql: return open_postgresql(config);
        case SqlEngine::mariadb: return open_mariadb(config);
    }
    return base::fail(base::ErrorKind::internal, "an unknown engine");
}

}  // namespace

SqlBackend::SqlBackend(SqlConfig config, net::Pool& pool)
    : config_(std::move(config)), name_(engine_name(config_.engine)), domains_(config_.domains), pool_(pool) {
    std::ranges::sort(domains_);
}

bool SqlBackend::serves(std::string_view domain) const { return std::ranges::binary_search(domains_, domain); }

Mechanisms SqlBackend::mechanisms() const {
    return {.password = true, .scram_sha_1 = config_.scram, .scram_sha_256 = config_.scram, .external = true};
}

base::Result<SqlRows> SqlBackend::ask(const std::string& query, const mail::AccountName& name) {
    auto connection = idle_.with([](auto& idle) -> std::unique_ptr<SqlConnection> {
        if (idle.empty()) return nullptr;
        auto one = std::move(idle.back());
        idle.pop_back();
        return one;
    });
    const bool used = connection != nullptr;
    const SqlArguments arguments{{"address", name.text()}, {"local", name.local}, {"domain", name.domain}};
    for (bool again = used;; again = false) {
        if (!connection) {
            auto made = connect(config_);
            if (!made) return std::unexpected(std::move(made.error()));
            connection = *std::move(made);
        }
        auto rows = connection->run(query, arguments);
        if (rows || connection->healthy()) {
            idle_.with([&](auto& idle) { idle.push_back(std::move(connection)); });
            return rows;
        }
        if (!again) return rows;
        connection.reset();  // the server may have ended an idle connection: one more try on a fresh one
    }
}

base::Result<std::optional<Entry>> SqlBackend::look(const mail::AccountName& name) {
    if (!name.local.empty()) {
        const auto rows = ask(config_.account_query, name);
        if (!rows) return std::unexpected(rows.error());
        if (is_row_of(*rows, name)) {
            const Row row(*rows);
            Account account{.name = name, .disabled = row.truth("disabled")};
            account.display_name = row.text("name");
            row.number("quota", account.quota.bytes);
            row.number("max_messages", account.quota.messages);
            row.number("messages_per_hour", account.send.messages_per_hour);
            row.number("recipients_per_day", account.send.recipients_per_day);
            row.number("max_message_size", account.send.max_message_size);
            return Entry{.account = std::move(account)};
        }
    }
    if (config_.alias_query.empty()) return std::nullopt;
    const auto rows = ask(config_.alias_query, name);
    if (!rows) return std::unexpected(rows.error());
    Entry entry;
    for (const auto& row : rows->rows) {
        if (auto target = mail::parse_address(row.front().value_or("")))
            entry.targets.push_back(*std::move(target));
    }
    if (entry.targets.empty()) return std::nullopt;
    return entry;
}

base::Result<std::optional<Secrets>> SqlBackend::look_secrets(const mail::AccountName& name) {
    const auto rows = ask(config_.account_query, name);
    if (!rows) return std::unexpected(rows.error());
    if (!is_row_of(*rows, name)) return std::nullopt;
    const Row row(*rows);
    Secrets out;
    out.password = {std::string(row.text("password")), std::string(row.text("scram_sha_1")),
                    std::string(row.text("scram_sha_256"))};
    return out;
}

net::Task<base::Result<std::optional<Entry>>> SqlBackend::find(net::Loop& loop, mail::AccountName name) {
    auto job = [this, name = std::move(name)] { return look(name); };
    co_return co_await net::offload(loop, pool_, std::move(job));
}

net::Task<base::Result<std::optional<Secrets>>> SqlBackend::secrets(net::Loop& loop, mail::AccountName name) {
    auto job = [this, name = std::move(name)] { return look_secrets(name); };
    co_return co_await net::offload(loop, pool_, std::move(job));
}

}  // namespace posthorn::auth::impl
