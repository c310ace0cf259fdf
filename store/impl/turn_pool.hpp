// How a coroutine waits for its account's turn. For the files of SqliteStore alone.
#pragma once

#include "store/impl/sqlite_store.hpp"

namespace posthorn::store {

// What net::offload() takes for a pool: its job, which resumes the caller, becomes the end of a piece of work.
class TurnPool final : public net::Pool {
public:
    TurnPool(std::shared_ptr<Account> account, Work work) : account_(std::move(account)), work_(std::move(work)) {}
    bool submit(std::move_only_function<void()> job) override {
        auto end = std::move(work_.end);
        work_.end = [end = std::move(end), job = std::move(job)](const base::Error* error) mutable {
            end(error);
            job();
        };
        return account_->submit(std::move(work_));
    }
    std::size_t queued() const override { return 0; }
    const std::string& name() const override { return name_; }

private:
    std::shared_ptr<Account> account_;
    Work work_;
    std::string name_ = "store";
};

inline std::unexpected<base::Error> stopping() {
    return base::fail(base::ErrorKind::temporary, "the store is shutting down", "4.3.2", "System is shutting down");
}

template <class T, class F>
net::Task<base::Result<T>> SqliteStore::in_turn(net::Loop& loop, Account account, Work::Kind kind, F fn) {
    auto turns = find(account);
    if (!turns) co_return stopping();
    auto answer = std::make_shared<std::optional<base::Result<T>>>();
    Work work;
    work.kind = kind;
    work.run = [answer, fn = std::move(fn)](OpenAccount* open) mutable -> std::optional<base::Error> {
        answer->emplace(fn(*open));
        if (!**answer) return (*answer)->error();
        return std::nullopt;
    };
    work.end = [answer](const base::Error* error) {
        if (error != nullptr) answer->emplace(std::unexpected(*error));
    };
    TurnPool pool(std::move(turns), std::move(work));
    auto take = [answer] { return *std::move(*answer); };
    base::Result<T> result = co_await net::offload(loop, pool, std::move(take));
    co_return result;
}

template <class T, class F>
net::Task<base::Result<T>> SqliteStore::while_closed(net::Loop& loop, std::shared_ptr<Turns> turns, F fn) {
    auto answer = std::make_shared<std::optional<base::Result<T>>>();
    Work work;
    work.kind = Work::Kind::close;
    work.run = [answer, fn = std::move(fn)](OpenAccount*) mutable -> std::optional<base::Error> {
        answer->emplace(fn());
        return std::nullopt;
    };
    work.end = [answer](const base::Error* error) {
        if (error != nullptr) answer->emplace(std::unexpected(*error));
    };
    TurnPool pool(std::move(turns), std::move(work));
    auto take = [answer] { return *std::move(*answer); };
    base::Result<T> result = co_await net::offload(loop, pool, std::move(take));
    co_return result;
}

}  // namespace posthorn::store
