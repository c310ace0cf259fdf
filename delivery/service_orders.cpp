// What operators order: resolved to ids first, then done on the messages' loops, some at a time.
#include <algorithm>

#include "delivery/ask.hpp"
#include "delivery/service_impl.hpp"
#include "mail/address.hpp"
#include "net/pool.hpp"

namespace posthorn::delivery {

namespace {

constexpr std::size_t kAtOnce = 100;  // messages of one turn of a loop
// Changes on their way to the disk: what comes next waits for these.
constexpr std::size_t kUnwritten = 1000;

// Resumes when all copies of its ticket are gone.
class Wait {
public:
    explicit Wait(net::Loop& loop) : over_(std::make_shared<Over>(loop)) {
        ticket_ = std::shared_ptr<void>(nullptr, [&loop, over = over_](void*) {
            loop.post([over] {
                over->flag = true;
                over->event.notify_all();
            });
        });
    }
    const Ticket& ticket() const { return ticket_; }
    net::Task<> all_gone() {
        const std::shared_ptr<Over> over = over_;
        ticket_.reset();
        while (!over->flag) co_await over->event.wait();
    }

private:
    struct Over {
        explicit Over(net::Loop& loop) : event(loop) {}
        bool flag = false;
        net::Event event;
    };
    std::shared_ptr<Over> over_;
    Ticket ticket_;
};

// On one owner: done with these ids; the answer is those it knows.
using Order = std::function<std::vector<base::Ulid>(Owner&, const std::vector<base::Ulid>&)>;

template <class Impl>
net::Task<std::vector<base::Ulid>> order_some(net::Loop& loop, std::shared_ptr<Impl> impl, std::size_t shard,
                                              std::vector<base::Ulid> ids, Order order) {
    std::function<std::vector<base::Ulid>()> question = [impl, shard, ids = std::move(ids), order] {
        return order(*impl->parts[shard].owner, ids);
    };
    auto known = co_await ask<std::vector<base::Ulid>>(loop, impl->loops.at(shard), std::move(question));
    co_return known;
}

// `ids` are one owner's or many's; all those of one owner that stand together go in one turn.
template <class Impl>
net::Task<Changed> order_all(net::Loop& loop, std::shared_ptr<Impl> impl, std::vector<base::Ulid> ids,
                             Order order) {
    Changed changed;
    for (std::size_t shard = 0; shard < impl->parts.size(); ++shard) {
        std::vector<base::Ulid> mine;
        std::ranges::copy_if(ids, std::back_inserter(mine),
                             [&](const base::Ulid& id) { return impl->shared->deps.queue.shard_of(id) == shard; });
        for (std::size_t at = 0; at < mine.size(); at += kAtOnce) {
            const auto begin = mine.begin() + static_cast<std::ptrdiff_t>(at);
            std::vector<base::Ulid> some(begin,
                                         begin + static_cast<std::ptrdiff_t>(std::min(kAtOnce, mine.size() - at)));
            std::vector<base::Ulid> known = co_await order_some(loop, impl, shard, some, order);
            for (const base::Ulid& id : some) {
                if (std::ranges::find(known, id) == known.end()) changed.unknown.push_back(id);
            }
            std::ranges::move(known, std::back_inserter(changed.ids));
        }
    }
    co_return changed;
}

// An order about each that is durable when this resumes.
using Recorded = std::function<bool(Owner&, const base::Ulid&, Ticket)>;

template <class Impl>
net::Task<Changed> order_durably(net::Loop& loop, std::shared_ptr<Impl> impl, std::vector<base::Ulid> ids,
                                 Recorded act) {
    Changed changed;
    for (std::size_t at = 0; at < ids.size(); at += kUnwritten) {
        const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
        std::vector<base::Ulid> some(begin,
                                     begin + static_cast<std::ptrdiff_t>(std::min(kUnwritten, ids.size() - at)));
        Wait wait(loop);
        Order order = [act, ticket = wait.ticket()](Owner& owner, const std::vector<base::Ulid>& mine) {
            std::vector<base::Ulid> known;
            std::ranges::copy_if(mine, std::back_inserter(known),
                                 [&](const base::Ulid& id) { return act(owner, id, ticket); });
            return known;
        };
        Changed part = co_await order_all(loop, impl, std::move(some), std::move(order));
        order = nullptr;
        co_await wait.all_gone();
        std::ranges::move(part.ids, std::back_inserter(changed.ids));
        std::ranges::move(part.unknown, std::back_inserter(changed.unknown));
    }
    co_return changed;
}

// Only ids that were named can be missing: what a filter found may have left the queue since.
Changed with_unknown(Changed changed, bool named, std::vector<base::Ulid> unknown) {
    if (!named) changed.unknown.clear();
    std::ranges::move(unknown, std::back_inserter(changed.unknown));
    return changed;
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

// Domains or everything: the file first, then the owners. The caller holds `freezing`.
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

}  // namespace

net::Task<base::Result<Changed>> Service::retry(net::Loop& loop, Selector which) {
    const auto impl = impl_;
    std::string domain = which.ids.empty() ? which.domain : std::string();
    const bool named = !which.ids.empty();
    auto selected = co_await select(loop, std::move(which));
    if (!selected) co_return selected;
    Order order = [domain](Owner& owner, const std::vector<base::Ulid>& ids) {
        std::vector<base::Ulid> known;
        owner.retry(ids, domain, known);
        return known;
    };
    Changed changed = co_await order_all(loop, impl, std::move(selected->ids), std::move(order));
    co_return with_unknown(std::move(changed), named, std::move(selected->unknown));
}

// A domain or everything. Who is told of it is found while it is frozen: before a thaw, which may end the message
// at once, and after a freeze, which must not be overtaken by a later order however long the queue is.
net::Task<base::Result<Changed>> Service::freeze_lastingly(net::Loop& loop, Selector which, bool on) {
    const auto impl = impl_;
    while (impl->freezing.exchange(true)) {
        co_await net::sleep_until(loop, loop.now() + std::chrono::milliseconds(10));
    }
    base::Result<Changed> selected;
    if (!on) selected = co_await select(loop, which);
    base::Result<void> written;
    if (selected) written = co_await change_frozen(loop, impl, which.domain, on);
    impl->freezing = false;
    if (!written) co_return std::unexpected(written.error());
    if (on) selected = co_await select(loop, std::move(which));
    co_return selected;
}

net::Task<base::Result<Changed>> Service::freeze_or_not(net::Loop& loop, Selector which, bool on) {
    const auto impl = impl_;
    if (which.domain_at_most()) {
        const std::string domain = mail::domain_key(which.domain);
        if (domain.empty() && !which.domain.empty())
            co_return base::fail(base::ErrorKind::protocol,
                                 "a domain is frozen by its whole name: " + which.domain);
        which.domain = domain;
        auto changed = co_await freeze_lastingly(loop, std::move(which), on);
        co_return changed;
    }
    const bool named = !which.ids.empty();
    auto selected = co_await select(loop, std::move(which));
    if (!selected) co_return selected;
    Recorded act = [on](Owner& owner, const base::Ulid& id, Ticket ticket) {
        return owner.freeze(id, on, std::move(ticket));
    };
    Changed changed = co_await order_durably(loop, impl, std::move(selected->ids), std::move(act));
    co_return with_unknown(std::move(changed), named, std::move(selected->unknown));
}

net::Task<base::Result<Changed>> Service::freeze(net::Loop& loop, Selector which) {
    auto changed = co_await freeze_or_not(loop, std::move(which), true);
    co_return changed;
}

net::Task<base::Result<Changed>> Service::unfreeze(net::Loop& loop, Selector which) {
    auto changed = co_await freeze_or_not(loop, std::move(which), false);
    co_return changed;
}

net::Task<base::Result<Changed>> Service::cancel(net::Loop& loop, Selector which, bool bounce) {
    const auto impl = impl_;
    const bool named = !which.ids.empty();
    std::string domain = named ? std::string() : which.domain;
    auto selected = co_await select(loop, std::move(which));
    if (!selected) co_return selected;
    // One owner is asked at a time.
    auto under_way = std::make_shared<std::vector<base::Ulid>>();
    Recorded act = [bounce, domain, under_way](Owner& owner, const base::Ulid& id, Ticket ticket) {
        const auto how = owner.cancel(id, bounce, domain, std::move(ticket));
        if (how == Owner::Cancelled::under_way) under_way->push_back(id);
        return how != Owner::Cancelled::unknown;
    };
    Changed changed = co_await order_durably(loop, impl, std::move(selected->ids), std::move(act));
    changed.under_way = std::move(*under_way);
    co_return with_unknown(std::move(changed), named, std::move(selected->unknown));
}

}  // namespace posthorn::delivery
