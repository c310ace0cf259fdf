// Store::search(): in the account's turn what is known, beside it what has to be read.
#include "store/impl/search.hpp"
#include "store/impl/turn_pool.hpp"

namespace posthorn::store {

namespace {

constexpr std::size_t kStep = 2000;  // messages looked at in a call

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
    auto read = [looked = *std::move(looked), needles]() mutable -> base::Result<TextAnswer> {
        read_unread(looked.unread, *needles, looked.answer);
        return std::move(looked.answer);
    };
    base::Result<TextAnswer> answer = co_await net::offload(loop, shared_->pool, std::move(read));
    co_return answer;
}

}  // namespace posthorn::store
