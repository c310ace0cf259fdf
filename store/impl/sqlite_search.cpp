// Store::search(): in the account's turn what is known, beside it what has to be read. And the worker that takes new
// mail into the full-text indexes.
#include "store/impl/refuse.hpp"
#include "store/impl/search.hpp"
#include "store/impl/turn_pool.hpp"

namespace posthorn::store {

namespace {

constexpr std::size_t kStep = 4000;  // messages looked at in a call

// What was not looked at, because so many were all that was asked for.
void add_rest(const IdSet& asked, const std::vector<Wanted>& wanted, IdSet& rest) {
    if (wanted.size() < kStep) return;
    auto behind = asked;
    behind.remove(IdSet::of(0, wanted.back().id));
    rest.add(behind);
}

}  // namespace

Store::Task<TextAnswer> SqliteStore::search(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                            TextQuery query) {
    auto wanted = [mailbox](OpenAccount& open, const IdSet& ids) {
        return open.index().members(mailbox, ids, kStep);
    };
    co_return co_await search_step(loop, std::move(account), std::move(uids), std::move(query), std::move(wanted));
}

Store::Task<TextAnswer> SqliteStore::search_emails(net::Loop& loop, Account account, IdSet emails,
                                                   TextQuery query) {
    auto wanted = [](OpenAccount& open, const IdSet& ids) -> base::Result<std::vector<Wanted>> {
        return open.index().living(ids, kStep);
    };
    co_return co_await search_step(loop, std::move(account), std::move(emails), std::move(query),
                                   std::move(wanted));
}

Store::Task<TextAnswer> SqliteStore::search_step(net::Loop& loop, Account account, IdSet ids, TextQuery query,
                                                 FindWanted find) {
    const auto needles = std::make_shared<const Needles>(query);
    auto look = [find = std::move(find), ids = std::move(ids), needles](OpenAccount& open) -> base::Result<Looked> {
        const auto wanted = find(open, ids);
        if (!wanted) return std::unexpected(wanted.error());
        auto looked = look_up(open, *wanted, *needles);
        if (looked) add_rest(ids, *wanted, looked->answer.rest);
        return looked;
    };
    base::Result<Looked> looked = co_await in_turn<Looked>(loop, account, Work::Kind::read, std::move(look));
    if (!looked) co_return std::unexpected(looked.error());
    if (looked->unread.empty()) co_return std::move(looked->answer);
    using Read = std::pair<TextAnswer, std::vector<Doc>>;
    auto read = [looked = *std::move(looked), needles,
                 limit = shared_->config.search_text_limit]() mutable -> base::Result<Read> {
        auto docs = read_unread(looked.unread, *needles, limit, looked.answer);
        return Read(std::move(looked.answer), std::move(docs));
    };
    base::Result<Read> got = co_await net::offload(loop, shared_->pool, std::move(read));
    if (!got) co_return std::unexpected(got.error());
    if (!got->second.empty()) {
        auto keep = [docs = std::move(got->second)](OpenAccount& open) -> base::Result<void> {
            keep_texts(open, docs);
            return {};
        };
        // That it is not kept takes nothing from the answer.
        static_cast<void>(co_await in_turn<void>(loop, std::move(account), Work::Kind::read, std::move(keep)));
    }
    co_return std::move(got->first);
}

// ---- in the background

// How many messages it looked at; 0: it is up to date.
Store::Task<std::uint64_t> SqliteStore::index_step(net::Loop& loop, Account account, bool make) {
    auto look = [make, limit = shared_->config.search_batch](OpenAccount& open) -> base::Result<Behind> {
        return look_behind(open, make, limit);
    };
    base::Result<Behind> behind = co_await in_turn<Behind>(loop, account, Work::Kind::read, std::move(look));
    if (!behind) co_return std::unexpected(behind.error());
    if (behind->upto == 0) co_return 0;
    const auto upto = behind->upto;
    auto read = [behind = *std::move(behind),
                 limit = shared_->config.search_text_limit]() -> base::Result<std::vector<Doc>> {
        TextAnswer nobody_asks;
        return read_unread(behind.unread, Needles({}), limit, nobody_asks);
    };
    base::Result<std::vector<Doc>> docs = co_await net::offload(loop, shared_->pool, std::move(read));
    if (!docs) co_return std::unexpected(docs.error());
    const auto count = docs->size();
    auto keep = [docs = *std::move(docs), upto](OpenAccount& open) -> base::Result<void> {
        return caught_up(open, docs, upto);
    };
    auto kept = co_await in_turn<void>(loop, std::move(account), Work::Kind::read, std::move(keep));
    if (!kept) co_return std::unexpected(kept.error());
    shared_->indexed.add(count);
    co_return std::max<std::uint64_t>(count, 1);
}

Store::Task<std::uint64_t> SqliteStore::reindex(net::Loop& loop, Account account) {
    const auto there = co_await must_exist(loop, account);
    if (!there) co_return std::unexpected(there.error());
    if (shared_->config.search_index == Config::SearchIndex::never)
        co_return refuse(EPERM, "no full-text index is wanted (search_index = \"never\")");
    auto drop = [](OpenAccount& open) -> base::Result<void> {
        open.drop_search();
        return {};
    };
    const auto dropped = co_await in_turn<void>(loop, account, Work::Kind::read, std::move(drop));
    if (!dropped) co_return std::unexpected(dropped.error());
    std::uint64_t all = 0;
    while (true) {
        const auto some = co_await index_step(loop, account, true);
        if (!some) co_return std::unexpected(some.error());
        if (*some == 0) co_return all;
        all += *some;
    }
}

// Accounts in which something happened since the last time.
net::Task<> SqliteStore::index_all(net::Loop& loop, std::shared_ptr<const std::atomic<bool>> alive) {
    const auto config = shared_->config;
    const bool make = config.search_index == Config::SearchIndex::always;
    while (true) {
        co_await net::sleep_until(loop, loop.now() + config.search_interval);
        if (!*alive) co_return;
        for (const auto& name : take_behind()) {
            for (bool more = true; more;) {
                const auto some = co_await index_step(loop, name, make);
                if (!*alive) co_return;
                more = some && *some > 0;  // after an error not before something happens in it
                co_await net::sleep_until(loop, loop.now() + config.search_pause);
                if (!*alive) co_return;
            }
        }
    }
}

std::vector<mail::AccountName> SqliteStore::take_behind() {
    const std::lock_guard lock(mutex_);
    std::vector<Account> out;
    for (const auto& [name, turns] : accounts_) {
        if (turns->behind.exchange(false)) out.push_back(name);
    }
    return out;
}

}  // namespace posthorn::store
