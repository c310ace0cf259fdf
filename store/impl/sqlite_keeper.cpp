// store/keeper.hpp, and the garbage worker.
#include "base/log.hpp"
#include "store/impl/keeping.hpp"
#include "store/impl/layout.hpp"
#include "store/impl/refuse.hpp"
#include "store/impl/turn_pool.hpp"

namespace posthorn::store {

namespace {

constexpr auto kFullWalk = std::chrono::hours(24);  // of the accounts that nobody asked for, too

// Sessions look, and find that their mailbox is another (ESTALE).
void tell_all_is_new(Shared& shared, const mail::AccountName& account) { shared.watchers.tell(account, 0, {}); }

}  // namespace

Store::Task<void> SqliteStore::must_exist(net::Loop& loop, Account account) {
    auto look = [shared = shared_, account]() -> base::Result<void> {
        if (shared->disk.status(shared->folder(account) + "/bodies")) return {};
        return refuse(ENOENT, "there is no account " + account.text());
    };
    co_return co_await net::offload(loop, shared_->pool, std::move(look));
}

Store::Task<CheckReport> SqliteStore::check(net::Loop& loop, Account account, bool bodies) {
    const auto there = co_await must_exist(loop, account);
    if (!there) co_return std::unexpected(there.error());
    auto call = [bodies](OpenAccount& open) -> base::Result<CheckReport> { return check_account(open, bodies); };
    co_return co_await in_turn<CheckReport>(loop, std::move(account), Work::Kind::alone, std::move(call));
}

Store::Task<RepairReport> SqliteStore::repair(net::Loop& loop, Account account) {
    auto turns = find(account);
    if (!turns) co_return stopping();
    auto call = [shared = shared_, turns, account] {
        auto report = repair_account(shared, account, turns->last_modseq());
        if (report && (report->index_was_lost || report->dropped > 0)) tell_all_is_new(*shared, account);
        return report;
    };
    co_return co_await while_closed<RepairReport>(loop, std::move(turns), std::move(call));
}

Store::Task<BackupReport> SqliteStore::backup(net::Loop& loop, Account account, std::string folder) {
    const auto there = co_await must_exist(loop, account);
    if (!there) co_return std::unexpected(there.error());
    auto call = [folder = std::move(folder)](OpenAccount& open) { return backup_account(open, folder); };
    co_return co_await in_turn<BackupReport>(loop, std::move(account), Work::Kind::alone, std::move(call));
}

Store::Task<BackupReport> SqliteStore::restore(net::Loop& loop, Account account, std::string folder) {
    auto turns = find(account);
    if (!turns) co_return stopping();
    auto call = [shared = shared_, turns, account, folder = std::move(folder)] {
        auto report = restore_account(shared, account, folder, turns->last_modseq());
        if (report) tell_all_is_new(*shared, account);
        return report;
    };
    co_return co_await while_closed<BackupReport>(loop, std::move(turns), std::move(call));
}

Store::Task<std::uint64_t> SqliteStore::undelete(net::Loop& loop, Account account, base::WallTime since) {
    const auto there = co_await must_exist(loop, account);
    if (!there) co_return std::unexpected(there.error());
    auto call = [since](OpenAccount& open) { return open.index().undelete(since); };
    co_return co_await in_turn<std::uint64_t>(loop, std::move(account), Work::Kind::bulk, std::move(call));
}

Store::Task<GarbageReport> SqliteStore::collect(net::Loop& loop, Account account) {
    const auto there = co_await must_exist(loop, account);
    if (!there) co_return std::unexpected(there.error());
    auto call = [](OpenAccount& open) { return collect_garbage(open); };
    co_return co_await in_turn<GarbageReport>(loop, std::move(account), Work::Kind::alone, std::move(call));
}

std::vector<mail::AccountName> SqliteStore::known() const {
    const std::lock_guard lock(mutex_);
    std::vector<Account> out;
    for (const auto& [name, turns] : accounts_) out.push_back(name);
    return out;
}

void SqliteStore::start(net::Loop& loop) {
    net::spawn(loop, "store.garbage", collect_all(loop, alive_));
    if (shared_->config.search_index != Config::SearchIndex::never)
        net::spawn(loop, "store.search", index_all(loop, alive_));
    if (shared_->config.backend != BackendKind::maildir) return;
    auto watch = MaildirWatch::start([this](const Account& account) { listen(account); });
    if (watch)
        shared_->maildir_watch = *std::move(watch);
    else
        base::log::warning("store.maildir_deaf", {{"error", watch.error().log_text}});
}

// Its turn begins with what was heard. One that is being removed is left in peace.
void SqliteStore::listen(const Account& account) {
    const auto turns = find(account);
    if (!turns) return;
    (void)shared_->pool.submit([shared = shared_, turns] {
        if (!shared->disk.status(shared->folder(turns->name()) + "/bodies")) return;
        (void)turns->submit({.kind = Work::Kind::read,
                             .run = [](OpenAccount*) -> std::optional<base::Error> { return std::nullopt; },
                             .end = [](const base::Error*) {}});
    });
}

net::Task<> SqliteStore::collect_all(net::Loop& loop, std::shared_ptr<const std::atomic<bool>> alive) {
    auto& metrics = shared_->metrics;
    auto& buried = metrics.counter("posthorn_store_buried_total", "Expunged messages that are gone for good.");
    auto& freed = metrics.counter("posthorn_store_freed_bytes_total", "What throwing away has freed on the disk.");
    auto& steps = metrics.counter("posthorn_store_garbage_steps_total", "Accounts that were looked through.");
    const auto config = shared_->config;
    auto next_full = loop.now();
    while (true) {
        co_await net::sleep_until(loop, loop.now() + config.garbage_interval);
        if (!*alive) co_return;
        auto names = known();
        if (loop.now() >= next_full) {
            next_full = loop.now() + kFullWalk;
            auto all = co_await accounts(loop);
            if (!*alive) co_return;
            if (all) names = *std::move(all);
        }
        for (const auto& name : names) {
            for (bool more = true; more;) {
                const auto report = co_await collect(loop, name);
                if (!*alive) co_return;
                more = report && report->more;
                if (report) {
                    steps.add();
                    buried.add(report->buried);
                    freed.add(report->octets_freed);
                }
                co_await net::sleep_until(loop, loop.now() + config.garbage_pause);
                if (!*alive) co_return;
            }
        }
    }
}

// ---- with the server down

namespace {

base::Result<std::shared_ptr<Shared>> shared_of(const Config& config, const Ports& ports,
                                                const mail::AccountName& account) {
    auto shared =
        std::make_shared<Shared>(config, ports.disk, ports.pool, ports.clock, ports.high_water, ports.metrics);
    if (!ports.disk.status(shared->folder(account) + "/bodies"))
        return refuse(ENOENT, "there is no account " + account.text());
    return shared;
}

}  // namespace

base::Result<CheckReport> check_offline(const Config& config, Ports ports, const mail::AccountName& account,
                                        bool bodies) {
    auto shared = shared_of(config, ports, account);
    if (!shared) return std::unexpected(shared.error());
    const auto lock = lock_store(config.directory);
    if (!lock) return std::unexpected(lock.error());
    const auto open = OpenAccount::open(*shared, account, 0);
    if (!open) return std::unexpected(open.error());
    return check_account(**open, bodies);
}

base::Result<RepairReport> repair_offline(const Config& config, Ports ports, const mail::AccountName& account) {
    auto shared = shared_of(config, ports, account);
    if (!shared) return std::unexpected(shared.error());
    const auto lock = lock_store(config.directory);
    if (!lock) return std::unexpected(lock.error());
    if (auto ready = prepare_layout(ports.disk, config.directory, config.backend); !ready)
        return std::unexpected(ready.error());
    return repair_account(*shared, account, 0);
}

}  // namespace posthorn::store
