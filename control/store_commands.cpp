#include "control/store_commands.hpp"

#include "base/units.hpp"
#include "control/arguments.hpp"

namespace posthorn::control {
namespace {

constexpr std::size_t kLimit = 1000;

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

base::Result<mail::AccountName> account_arg(const Value& args) {
    auto name = mail::parse_account_name(text_arg(args, "account"));
    if (!name) return base::fail(base::ErrorKind::protocol, "account: that is no address");
    return *std::move(name);
}

Value backup_view(const mail::AccountName& account, const store::BackupReport& report) {
    return Value::map()
        .set("account", account.text())
        .set("messages", number(report.messages))
        .set("files", number(report.files))
        .set("size", number(report.octets));
}

class StoreCommands {
public:
    StoreCommands(store::Store& store, store::Keeper& keeper, const base::Clock& clock)
        : store_(store), keeper_(keeper), clock_(clock) {}

    net::Task<base::Result<Reply>> list(net::Loop& loop, Value args) const {
        const auto names = co_await store_.accounts(loop);
        if (!names) co_return std::unexpected(names.error());
        const auto domain = text_arg(args, "domain");
        const auto limit = limit_arg(args, kLimit);
        auto rows = Value::list();
        std::size_t count = 0;
        for (const auto& name : *names) {
            if (!domain.empty() && name.domain != domain) continue;
            if (++count > limit) break;
            const auto state = co_await store_.state(loop, name);
            auto row = Value::map().set("account", name.text());
            if (state) {
                row.set("messages", number(state->messages)).set("size", number(state->bytes));
                row.set("expunged", number(state->expunged_messages))
                    .set("reserved", number(state->reserved_bytes));
                row.set("error", Value());
            } else {
                row.set("messages", Value()).set("size", Value()).set("expunged", Value()).set("reserved", Value());
                row.set("error", state.error().log_text);
            }
            rows.add(std::move(row));
        }
        co_return Reply{.result = std::move(rows), .info = Value::map().set("more", count > limit)};
    }

    net::Task<base::Result<Reply>> check(net::Loop& loop, Value args) const {
        const auto account = account_arg(args);
        if (!account) co_return std::unexpected(account.error());
        const auto report = co_await keeper_.check(loop, *account, flag_arg(args, "bodies"));
        if (!report) co_return std::unexpected(report.error());
        co_return Reply{.result = check_view(*account, *report), .info = {}};
    }

    net::Task<base::Result<Reply>> repair(net::Loop& loop, Value args) const {
        const auto account = account_arg(args);
        if (!account) co_return std::unexpected(account.error());
        const auto report = co_await keeper_.repair(loop, *account);
        if (!report) co_return std::unexpected(report.error());
        co_return Reply{.result = repair_view(*account, *report), .info = {}};
    }

    net::Task<base::Result<Reply>> backup(net::Loop& loop, Value args) const {
        const auto account = account_arg(args);
        if (!account) co_return std::unexpected(account.error());
        const auto report = co_await keeper_.backup(loop, *account, std::string(text_arg(args, "to")));
        if (!report) co_return std::unexpected(report.error());
        co_return Reply{.result = backup_view(*account, *report), .info = {}};
    }

    net::Task<base::Result<Reply>> restore(net::Loop& loop, Value args) const {
        const auto account = account_arg(args);
        if (!account) co_return std::unexpected(account.error());
        const auto report = co_await keeper_.restore(loop, *account, std::string(text_arg(args, "from")));
        if (!report) co_return std::unexpected(report.error());
        co_return Reply{.result = backup_view(*account, *report), .info = {}};
    }

    net::Task<base::Result<Reply>> undelete(net::Loop& loop, Value args) const {
        const auto account = account_arg(args);
        if (!account) co_return std::unexpected(account.error());
        const auto span = base::parse_duration(text_arg(args, "since"));
        const auto since =
            span ? clock_.wall() - std::chrono::duration_cast<std::chrono::milliseconds>(*span) : base::WallTime{};
        const auto count = co_await keeper_.undelete(loop, *account, since);
        if (!count) co_return std::unexpected(count.error());
        co_return Reply{.result = Value::map().set("account", account->text()).set("messages", number(*count)),
                        .info = {}};
    }

    net::Task<base::Result<Reply>> reindex(net::Loop& loop, Value args) const {
        const auto account = account_arg(args);
        if (!account) co_return std::unexpected(account.error());
        const auto count = co_await keeper_.reindex(loop, *account);
        if (!count) co_return std::unexpected(count.error());
        co_return Reply{.result = Value::map().set("account", account->text()).set("messages", number(*count)),
                        .info = {}};
    }

private:
    store::Store& store_;
    store::Keeper& keeper_;
    const base::Clock& clock_;
};

}  // namespace

Value check_view(const mail::AccountName& account, const store::CheckReport& report) {
    auto texts = Value::list();
    for (const auto& text : report.texts) texts.add(text);
    return Value::map()
        .set("account", account.text())
        .set("clean", report.findings == 0)
        .set("findings", number(report.findings))
        .set("messages", number(report.emails))
        .set("size", number(report.octets))
        .set("missing", number(report.missing))
        .set("damaged", number(report.damaged))
        .set("orphans", number(report.orphans))
        .set("dead", number(report.dead))
        .set("what", std::move(texts));
}

Value repair_view(const mail::AccountName& account, const store::RepairReport& report) {
    return Value::map()
        .set("account", account.text())
        .set("index_was_lost", report.index_was_lost)
        .set("snapshot", report.snapshot.empty() ? Value() : Value(report.snapshot))
        .set("recovered", number(report.recovered))
        .set("dropped", number(report.dropped))
        .set("orphans_removed", number(report.orphans_removed))
        .set("counted_anew", report.counted_anew);
}

Handlers make_store_handlers(store::Store& store, store::Keeper& keeper, const base::Clock& clock) {
    const auto commands = std::make_shared<StoreCommands>(store, keeper, clock);
    const NamedMethod<StoreCommands> methods[] = {
        {"store.list", &StoreCommands::list},       {"store.check", &StoreCommands::check},
        {"store.repair", &StoreCommands::repair},   {"store.backup", &StoreCommands::backup},
        {"store.restore", &StoreCommands::restore}, {"store.undelete", &StoreCommands::undelete},
        {"store.reindex", &StoreCommands::reindex},
    };
    return handlers_of(commands, methods);
}

}  // namespace posthorn::control
