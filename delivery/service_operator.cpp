// The operator's side of the service: questions and orders to all loops, answers put together.
#include <algorithm>

#include "base/ascii.hpp"
#include "delivery/service_impl.hpp"
#include "net/pool.hpp"

namespace posthorn::delivery {

namespace {

// Looked at when a filter needs the envelope.
constexpr std::size_t kMaxScanned = 10'000;
constexpr std::size_t kMaxListed = 10'000;
constexpr std::size_t kMaxDestinations = 100;

// Runs `fn` on another loop; resumes on `from` with its answer.
template <class R>
net::Task<R> ask(net::Loop& from, net::Loop& to, std::function<R()> fn) {
    struct Box {
        explicit Box(net::Loop& loop) : event(loop) {}
        std::optional<R> value;
        net::Event event;
    };
    auto box = std::make_shared<Box>(from);
    to.post([box, fn = std::move(fn), &from]() mutable {
        R value = fn();
        from.post([box = std::move(box), value = std::move(value)]() mutable {
            box->value.emplace(std::move(value));
            box->event.notify_all();
        });
    });
    while (!box->value) co_await box->event.wait();
    R value = std::move(*box->value);
    co_return value;
}

// Resumes when all copies of its ticket are gone.
class Wait {
public:
    explicit Wait(net::Loop& loop) : loop_(loop), over_(std::make_shared<Over>(loop)) {
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
    net::Loop& loop_;
    std::shared_ptr<Over> over_;
    Ticket ticket_;
};

bool contains(std::string_view text, std::string_view part) {
    return part.empty() || base::lower(text).find(base::lower(part)) != std::string::npos;
}

// Puts what only the stored message knows beside what the owner said.
void complete(MessageView& view, const spool::StoredMessage& stored) {
    const mail::Envelope& envelope = stored.envelope;
    view.sender = envelope.reverse_path.to_string();
    view.arrival = envelope.arrival;
    view.header_message_id = envelope.header_message_id;
    view.client_ip = envelope.client.ip;
    view.auth_user = envelope.client.auth_user;
    std::vector<RecipientView> all;
    auto live = view.recipients.begin();
    for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
        const mail::RecipientState& state = stored.recipients.at(i);
        RecipientView recipient;
        if (live != view.recipients.end() && live->index == i) {
            recipient = std::move(*live++);
        } else {
            recipient.index = i;
            recipient.domain = mail::domain_key(envelope.recipients[i].address.domain);
            recipient.status = state.status;
            recipient.attempts = state.attempts;
            recipient.why = Hold::final;
        }
        recipient.address = envelope.recipients[i].address.to_string();
        recipient.last = state.last;
        all.push_back(std::move(recipient));
    }
    view.recipients = std::move(all);
}

bool wanted(const ListQuery& query, const MessageView& view) {
    if (!contains(view.sender, query.sender)) return false;
    if (query.recipient.empty()) return true;
    return std::ranges::any_of(view.recipients,
                               [&](const auto& r) { return contains(r.address, query.recipient); });
}

// (Impl is private to the service: these take it as it comes.)
template <class Impl>
net::Task<Owner::Rows> rows_of_all(net::Loop& loop, std::shared_ptr<Impl> impl, ListQuery query,
                                   std::size_t limit) {
    Owner::Rows all;
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        std::function<Owner::Rows()> question = [impl, i, query, limit] {
            return impl->parts[i].owner->collect(query, limit);
        };
        Owner::Rows rows = co_await ask<Owner::Rows>(loop, impl->loops.at(i), std::move(question));
        all.matched += rows.matched;
        std::ranges::move(rows.rows, std::back_inserter(all.rows));
    }
    std::ranges::sort(all.rows, [&](const auto& a, const auto& b) { return Owner::before(query, a, b); });
    co_return all;
}

// The ids sorted by the loop that owns them; those unknown there are told.
template <class Impl>
net::Task<Changed> for_ids(net::Loop& loop, std::shared_ptr<Impl> impl, std::vector<base::Ulid> ids,
                           std::function<bool(Owner&, const base::Ulid&)> act) {
    Changed changed;
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        std::vector<base::Ulid> mine;
        std::ranges::copy_if(ids, std::back_inserter(mine),
                             [&](const auto& id) { return impl->shared->deps.queue.shard_of(id) == i; });
        if (mine.empty()) continue;
        std::function<std::vector<base::Ulid>()> order = [impl, i, mine, act] {
            std::vector<base::Ulid> unknown;
            for (const base::Ulid& id : mine) {
                if (!act(*impl->parts[i].owner, id)) unknown.push_back(id);
            }
            return unknown;
        };
        std::vector<base::Ulid> unknown =
            co_await ask<std::vector<base::Ulid>>(loop, impl->loops.at(i), std::move(order));
        changed.count += mine.size() - unknown.size();
        std::ranges::move(unknown, std::back_inserter(changed.unknown));
    }
    co_return changed;
}

template <class Impl>
net::Task<std::uint64_t> sum_of_all(net::Loop& loop, std::shared_ptr<Impl> impl,
                                    std::function<std::uint64_t(Owner&)> act) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        std::function<std::uint64_t()> order = [impl, i, act] { return act(*impl->parts[i].owner); };
        const std::uint64_t part = co_await ask<std::uint64_t>(loop, impl->loops.at(i), std::move(order));
        sum += part;
    }
    co_return sum;
}

// Domains or everything: the file first, then the owners. One at a time.
template <class Impl>
net::Task<base::Result<void>> change_frozen(net::Loop& loop, std::shared_ptr<Impl> impl, Selection which, bool on) {
    while (impl->freezing.exchange(true)) {
        co_await net::sleep_until(loop, loop.now() + std::chrono::milliseconds(10));
    }
    Frozen next = *impl->frozen.with([](const FrozenPtr& f) { return f; });
    if (which.kind == Selection::Kind::everything)
        next.everything = on;
    else if (on)
        next.domains.insert(which.domain);
    else
        next.domains.erase(which.domain);
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
        std::function<std::uint64_t(Owner&)> tell = [snapshot](Owner& owner) -> std::uint64_t {
            owner.set_frozen(snapshot);
            return 0;
        };
        co_await sum_of_all(loop, impl, std::move(tell));
    }
    impl->freezing = false;
    co_return written;
}

template <class Impl>
net::Task<base::Result<Changed>> freeze_or_not(net::Loop& loop, std::shared_ptr<Impl> impl, Selection which,
                                               bool on) {
    Changed changed;
    if (which.kind == Selection::Kind::ids) {
        Wait wait(loop);
        std::function<bool(Owner&, const base::Ulid&)> act = [on, ticket = wait.ticket()](Owner& owner,
                                                                                          const base::Ulid& id) {
            return owner.freeze(id, on, ticket);
        };
        changed = co_await for_ids(loop, impl, std::move(which.ids), std::move(act));
        co_await wait.all_gone();
        co_return changed;
    }
    std::function<std::uint64_t(Owner&)> count = [which](Owner& owner) { return owner.covered(which); };
    changed.count = co_await sum_of_all(loop, impl, std::move(count));
    auto written = co_await change_frozen(loop, impl, std::move(which), on);
    if (!written) co_return std::unexpected(written.error());
    co_return changed;
}

}  // namespace

net::Task<base::Result<ListResult>> Service::list(net::Loop& loop, ListQuery query) {
    const auto impl = impl_;
    ListResult result;
    query.limit = std::min(query.limit, kMaxListed);
    const bool reads = !query.sender.empty() || !query.recipient.empty();
    Owner::Rows rows = co_await rows_of_all(loop, impl, query, reads ? kMaxScanned : query.limit);
    for (Owner::Row& row : rows.rows) {
        if (result.messages.size() >= query.limit) break;
        auto stored = co_await impl->shared->deps.queue.load(loop, row.view.id);
        if (!stored) continue;  // done meanwhile
        complete(row.view, *stored);
        if (!wanted(query, row.view)) continue;
        if (reads) ++result.matched;
        result.messages.push_back(std::move(row.view));
    }
    if (!reads) result.matched = rows.matched;
    result.truncated = rows.matched > (reads ? rows.rows.size() : result.messages.size());
    co_return result;
}

net::Task<base::Result<MessageView>> Service::view(net::Loop& loop, base::Ulid id) {
    const auto impl = impl_;
    auto stored = co_await impl->shared->deps.queue.load(loop, id);
    if (!stored) co_return std::unexpected(stored.error());
    const std::size_t shard = impl->shared->deps.queue.shard_of(id);
    std::function<std::optional<Owner::Row>()> question = [impl, shard, id]() -> std::optional<Owner::Row> {
        return shard < impl->parts.size() ? impl->parts[shard].owner->find(id) : std::nullopt;
    };
    std::optional<Owner::Row> row =
        co_await ask<std::optional<Owner::Row>>(loop, impl->loops.at(shard), std::move(question));
    if (!row) {
        co_return base::fail(base::ErrorKind::permanent, "no message " + id.to_string() + " in the queue");
    }
    complete(row->view, *stored);
    co_return std::move(row->view);
}

net::Task<base::Result<Stats>> Service::stats(net::Loop& loop) {
    const auto impl = impl_;
    Stats all;
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        std::function<Stats()> question = [impl, i] {
            Stats part;
            impl->parts[i].owner->count(part);
            impl->parts[i].table->collect(part.destinations);
            return part;
        };
        Stats part = co_await ask<Stats>(loop, impl->loops.at(i), std::move(question));
        all.messages += part.messages;
        all.recipients_pending += part.recipients_pending;
        all.in_flight += part.in_flight;
        all.waiting += part.waiting;
        all.deferred += part.deferred;
        all.frozen += part.frozen;
        std::ranges::move(part.destinations, std::back_inserter(all.destinations));
    }
    std::ranges::sort(all.destinations, std::greater{}, [](const auto& d) { return d.waiting + d.in_flight; });
    if (all.destinations.size() > kMaxDestinations) all.destinations.resize(kMaxDestinations);
    const FrozenPtr frozen = impl->frozen.with([](const FrozenPtr& f) { return f; });
    if (frozen) {
        all.everything_frozen = frozen->everything;
        all.frozen_domains.assign(frozen->domains.begin(), frozen->domains.end());
    }
    co_return all;
}

net::Task<base::Result<Changed>> Service::retry(net::Loop& loop, Selection which) {
    const auto impl = impl_;
    Changed changed;
    if (which.kind == Selection::Kind::ids) {
        std::function<bool(Owner&, const base::Ulid&)> act = [](Owner& owner, const base::Ulid& id) {
            if (!owner.knows(id)) return false;
            owner.retry(Selection{Selection::Kind::ids, {id}, {}});
            return true;
        };
        changed = co_await for_ids(loop, impl, std::move(which.ids), std::move(act));
        co_return changed;
    }
    std::function<std::uint64_t(Owner&)> act = [which](Owner& owner) { return owner.retry(which); };
    changed.count = co_await sum_of_all(loop, impl, std::move(act));
    co_return changed;
}

net::Task<base::Result<Changed>> Service::freeze(net::Loop& loop, Selection which) {
    auto changed = co_await freeze_or_not(loop, impl_, std::move(which), true);
    co_return changed;
}

net::Task<base::Result<Changed>> Service::unfreeze(net::Loop& loop, Selection which) {
    auto changed = co_await freeze_or_not(loop, impl_, std::move(which), false);
    co_return changed;
}

net::Task<base::Result<Changed>> Service::cancel(net::Loop& loop, std::vector<base::Ulid> ids, bool bounce) {
    const auto impl = impl_;
    Wait wait(loop);
    std::function<bool(Owner&, const base::Ulid&)> act = [bounce, ticket = wait.ticket()](Owner& owner,
                                                                                          const base::Ulid& id) {
        return owner.cancel(id, bounce, ticket);
    };
    Changed changed = co_await for_ids(loop, impl, std::move(ids), std::move(act));
    co_await wait.all_gone();
    co_return changed;
}

}  // namespace posthorn::delivery
