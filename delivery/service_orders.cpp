// What operators order: looked for and done some messages at a time, on the messages' loops.
#include <algorithm>
#include <span>

#include "delivery/ask.hpp"
#include "delivery/service_impl.hpp"
#include "delivery/wait.hpp"
#include "mail/address.hpp"
#include "net/pool.hpp"

namespace posthorn::delivery {

namespace {

constexpr std::size_t kAtOnce = 100;  // messages of one turn of a loop
// Changes on their way to the disk: what comes next waits for these.
constexpr std::size_t kUnwritten = 1000;
// For changes that do not become durable: then who asked hears that it goes on.
constexpr base::Duration kSignOfLife = std::chrono::seconds(5);

// Done with these ids of one owner; what it came to, in their order. The ticket is kept until it is durable.
using Ids = std::vector<base::Ulid>;
using Results = std::vector<Ordered>;
using Act = std::function<Results(Owner&, const Ids&, const OrderTicket&)>;

Results retry_some(Owner& owner, const Ids& ids, const std::string& domain) {
    Ids known;
    owner.retry(ids, domain, known);  // in the same order
    Results results;
    auto at = known.begin();
    for (const base::Ulid& id : ids) {
        const bool here = at != known.end() && *at == id;
        if (here) ++at;
        results.push_back({id, here ? Ordered::How::done : Ordered::How::unknown});
    }
    return results;
}

Results freeze_some(Owner& owner, const Ids& ids, bool on, const OrderTicket& ticket) {
    Results results;
    for (const base::Ulid& id : ids) {
        const bool known = owner.freeze(id, on, ticket);
        results.push_back({id, known ? Ordered::How::done : Ordered::How::unknown});
    }
    return results;
}

Results cancel_some(Owner& owner, const Ids& ids, bool bounce, const std::string& domain,
                    const OrderTicket& ticket) {
    Results results;
    for (const base::Ulid& id : ids) results.push_back({id, owner.cancel(id, bounce, domain, ticket)});
    return results;
}

// `domain`: recipients elsewhere are left alone; empty: all.
Act act_of(Order order, std::string domain) {
    return [order, domain = std::move(domain)](Owner& owner, const Ids& ids, const OrderTicket& ticket) {
        switch (order) {
            case Order::retry: return retry_some(owner, ids, domain);
            case Order::freeze: return freeze_some(owner, ids, true, ticket);
            case Order::unfreeze: return freeze_some(owner, ids, false, ticket);
            case Order::cancel: return cancel_some(owner, ids, false, domain, ticket);
            case Order::bounce: return cancel_some(owner, ids, true, domain, ticket);
        }
        return Results();
    };
}

// (Impl is private to the service: these take it as it comes.)
// The results stand in the order of `ids`.
template <class Impl>
net::Task<Results> order_all(net::Loop& loop, std::shared_ptr<Impl> impl, Ids ids, Act act, OrderTicket ticket) {
    std::vector<std::vector<std::size_t>> by_shard(impl->parts.size());  // indices into `ids`
    for (std::size_t i = 0; i < ids.size(); ++i) by_shard[impl->shared->deps.queue.shard_of(ids[i])].push_back(i);
    Results all(ids.size());
    for (std::size_t shard = 0; shard < by_shard.size(); ++shard) {
        for (std::span<const std::size_t> left = by_shard[shard]; !left.empty();) {
            const auto mine = left.first(std::min(kAtOnce, left.size()));
            left = left.subspan(mine.size());
            Ids some;
            for (const std::size_t i : mine) some.push_back(ids[i]);
            std::function<Results()> question = [impl, shard, some = std::move(some), act, ticket] {
                return act(*impl->parts[shard].owner, some, ticket);
            };
            const Results results = co_await ask<Results>(loop, impl->loops.at(shard), std::move(question));
            for (std::size_t k = 0; k < mine.size(); ++k) all[mine[k]] = results[k];
        }
    }
    co_return all;
}

// Each owner hears of it at once, and then goes through what waits.
template <class Impl>
net::Task<> tell_frozen(net::Loop& loop, std::shared_ptr<Impl> impl, FrozenPtr before, FrozenPtr now) {
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        std::function<bool()> tell = [impl, i, now] {
            impl->parts[i].owner->set_frozen(now);
            return true;
        };
        co_await ask<bool>(loop, impl->loops.at(i), std::move(tell));
    }
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        for (Owner::Place from = 0; from != Owner::kWalked;) {
            std::function<Owner::Place()> walk = [impl, i, from, before] {
                return impl->parts[i].owner->refreeze(*before, from);
            };
            from = co_await ask<Owner::Place>(loop, impl->loops.at(i), std::move(walk));
        }
    }
}

// Domains or everything: the file first, then the owners. The caller holds the turn of `freezing`.
template <class Impl>
net::Task<base::Result<void>> change_frozen(net::Loop& loop, std::shared_ptr<Impl> impl, std::string domain,
                                            bool on) {
    const FrozenPtr before = impl->frozen.with([](const FrozenPtr& f) { return f; });
    Frozen next = *before;
    if (domain.empty())
        next.everything = on;
    else if (on)
        next.domains.insert(domain);
    else
        next.domains.erase(domain);
    const std::string directory = impl->settings()->config.state_dir;
    base::Result<void> written;
    if (!directory.empty()) {
        auto write = [impl, directory, next]() -> base::Result<void> {
            return write_frozen(*impl->disk, directory, next);
        };
        written = co_await net::offload(loop, impl->shared->deps.disk, std::move(write));
    }
    if (written) {
        const auto snapshot = std::make_shared<const Frozen>(std::move(next));
        impl->frozen.with([&](FrozenPtr& f) { f = snapshot; });
        co_await tell_frozen(loop, impl, before, snapshot);
    }
    co_return written;
}

using Part = base::Result<std::optional<Results>>;

// Of messages: named, or found by a filter page by page.
template <class Impl>
class OrderOfMessages final : public Ordering {
public:
    OrderOfMessages(std::shared_ptr<Impl> impl, std::unique_ptr<Listing> found, Order order, Selector which)
        : impl_(std::move(impl)),
          found_(std::move(found)),
          named_(std::move(which.ids)),
          durable_(order != Order::retry),
          act_(act_of(order, found_ ? which.domain : std::string())) {}

    net::Task<Part> next(net::Loop& loop) override {
        if (!wait_) {
            auto ids = co_await some_ids(loop);
            if (!ids) co_return std::unexpected(ids.error());
            if (!*ids) co_return std::nullopt;
            wait_.emplace(loop);
            done_ = co_await order_all(loop, impl_, **std::move(ids), act_, wait_->ticket());
            // What a filter found may have left the queue since.
            if (found_) std::erase_if(done_, [](const Ordered& one) { return one.how == Ordered::How::unknown; });
        }
        const bool over = !durable_ || co_await wait_->all_gone(loop.now() + kSignOfLife);
        if (!over) co_return Results();
        const bool given_up = wait_->given_up();
        wait_.reset();
        if (given_up)
            co_return base::fail(base::ErrorKind::temporary,
                                 "not all of it could be recorded: see the log, try again");
        co_return std::exchange(done_, {});
    }

private:
    net::Task<base::Result<std::optional<Ids>>> some_ids(net::Loop& loop) {
        if (found_) {
            auto page = co_await found_->next_ids(loop, kUnwritten);
            co_return page;
        }
        if (at_ == named_.size()) co_return std::nullopt;
        const auto begin = named_.begin() + static_cast<std::ptrdiff_t>(at_);
        const auto size = std::min(kUnwritten, named_.size() - at_);
        at_ += size;
        co_return Ids(begin, begin + static_cast<std::ptrdiff_t>(size));
    }

    std::shared_ptr<Impl> impl_;
    std::unique_ptr<Listing> found_;  // null: they were named
    const Ids named_;
    std::size_t at_ = 0;
    const bool durable_;
    const Act act_;
    std::optional<Wait> wait_;  // for what is in `done_`
    Results done_;
};

// Of a domain or of everything. Who is told of it is found while it is frozen: before a thaw, which may end the message
// at once, and after a freeze, which must not be overtaken by a later order however long the queue is.
template <class Impl>
class LastingFreeze final : public Ordering {
public:
    LastingFreeze(std::shared_ptr<Impl> impl, std::unique_ptr<Listing> found, std::string domain, bool on)
        : impl_(std::move(impl)), found_(std::move(found)), domain_(std::move(domain)), on_(on) {}

    net::Task<Part> next(net::Loop& loop) override {
        if (!std::exchange(done_, true)) {
            const Ticket turn = co_await Turns::take(impl_->freezing, loop);
            if (!on_) co_await found_->find(loop);
            auto written = co_await change_frozen(loop, impl_, domain_, on_);
            if (!written) co_return std::unexpected(written.error());
        }
        auto ids = co_await found_->next_ids(loop, kUnwritten);
        if (!ids) co_return std::unexpected(ids.error());
        if (!*ids) co_return std::nullopt;
        Results results;
        for (const base::Ulid& id : **ids) results.push_back({id, Ordered::How::done});
        co_return std::move(results);
    }

private:
    std::shared_ptr<Impl> impl_;
    std::unique_ptr<Listing> found_;
    const std::string domain_;
    const bool on_;
    bool done_ = false;
};

class Refused final : public Ordering {
public:
    explicit Refused(base::Error why) : why_(std::move(why)) {}
    net::Task<Part> next(net::Loop&) override { co_return std::unexpected(why_); }

private:
    base::Error why_;
};

}  // namespace

std::unique_ptr<Ordering> Service::order(Order order, Selector which) {
    ListQuery query;
    query.limit = kNoLimit;
    query.which = which;
    auto found = which.ids.empty() ? list(std::move(query)) : nullptr;
    const bool freezes = order == Order::freeze || order == Order::unfreeze;
    if (!freezes || !which.domain_at_most())
        return std::make_unique<OrderOfMessages<Impl>>(impl_, std::move(found), order, std::move(which));
    const std::string domain = mail::domain_key(which.domain);
    if (domain.empty() && !which.domain.empty()) {
        auto why = base::fail(base::ErrorKind::protocol, "a domain is frozen by its whole name: " + which.domain);
        return std::make_unique<Refused>(std::move(why.error()));
    }
    return std::make_unique<LastingFreeze<Impl>>(impl_, std::move(found), domain, order == Order::freeze);
}

}  // namespace posthorn::delivery
