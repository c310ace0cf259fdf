// What operators ask the service: looked for on all loops bit by bit, read back page by page.
#include <algorithm>
#include <tuple>

#include "base/ascii.hpp"
#include "delivery/ask.hpp"
#include "delivery/service_impl.hpp"

namespace posthorn::delivery {

namespace {

constexpr std::size_t kFirstPage = 8;  // messages: the first line is not to wait for more
constexpr std::size_t kPage = 64;
constexpr std::size_t kMaxDestinations = 100;

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

// What only the read message tells. Each recipient filter may be met by another recipient.
bool wanted(const Selector& which, const MessageView& view) {
    if (!contains(view.sender, which.sender)) return false;
    const auto any = [&](const auto& fits) { return std::ranges::any_of(view.recipients, fits); };
    if (!which.recipient.empty() && !any([&](const auto& r) { return contains(r.address, which.recipient); }))
        return false;
    return which.reason.empty() || any([&](const RecipientView& r) {
               return contains(r.why_text, which.reason) || contains(r.last.text, which.reason) ||
                      contains(r.last.status, which.reason);
           });
}

struct Piece {
    std::vector<Owner::Key> keys;
    Owner::Place next = 0;
};

struct Matches {
    std::vector<base::Ulid> ids;  // sorted; with a limit the first of them
    std::uint64_t matched = 0;
};

void keep_first(std::vector<Owner::Key>& keys, std::size_t limit, bool descending) {
    const auto before = [descending](const Owner::Key& a, const Owner::Key& b) {
        const auto order = std::tie(a.order, a.id) <=> std::tie(b.order, b.id);
        return descending ? order > 0 : order < 0;
    };
    if (keys.size() > limit) {
        std::ranges::nth_element(keys, keys.begin() + static_cast<std::ptrdiff_t>(limit), before);
        keys.resize(limit);
    }
    std::ranges::sort(keys, before);
}

// (Impl is private to the service: these take it as it comes.)
template <class Impl>
net::Task<Matches> find_matches(net::Loop& loop, std::shared_ptr<Impl> impl, ListQuery query, std::size_t limit) {
    Matches found;
    if (!query.which.ids.empty()) {
        found.ids = std::move(query.which.ids);
        found.matched = found.ids.size();
        co_return found;
    }
    std::vector<Owner::Key> keys;
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        for (Owner::Place from = 0; from != Owner::kWalked;) {
            std::function<Piece()> question = [impl, i, from, query] {
                Piece piece;
                piece.next = impl->parts[i].owner->select(query, from, piece.keys);
                return piece;
            };
            Piece piece = co_await ask<Piece>(loop, impl->loops.at(i), std::move(question));
            from = piece.next;
            found.matched += piece.keys.size();
            std::ranges::move(piece.keys, std::back_inserter(keys));
            // Keeps not many more than asked for, however long the queue is.
            if (keys.size() / 2 > limit + Owner::kTurn) keep_first(keys, limit, query.descending);
        }
    }
    keep_first(keys, limit, query.descending);
    for (const Owner::Key& key : keys) found.ids.push_back(key.id);
    co_return found;
}

// Those still there, in the same order.
template <class Impl>
net::Task<std::vector<MessageView>> read_page(net::Loop& loop, std::shared_ptr<Impl> impl,
                                              std::vector<base::Ulid> ids) {
    using Views = std::vector<std::optional<MessageView>>;
    spool::Queue& queue = impl->shared->deps.queue;
    Views live(ids.size());
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        std::function<Views()> question = [impl, i, ids, &queue] {
            Views mine(ids.size());
            for (std::size_t k = 0; k < ids.size(); ++k) {
                if (queue.shard_of(ids[k]) == i) mine[k] = impl->parts[i].owner->view(ids[k]);
            }
            return mine;
        };
        Views mine = co_await ask<Views>(loop, impl->loops.at(i), std::move(question));
        for (std::size_t k = 0; k < ids.size(); ++k) {
            if (mine[k]) live[k] = std::move(mine[k]);
        }
    }
    std::vector<MessageView> out;
    for (std::size_t k = 0; k < ids.size(); ++k) {
        if (!live[k]) continue;
        auto stored = co_await queue.look(loop, ids[k]);
        if (!stored) continue;  // done meanwhile
        complete(*live[k], *stored);
        out.push_back(*std::move(live[k]));
    }
    co_return out;
}

template <class Impl>
class PagedListing final : public Listing {
public:
    PagedListing(std::shared_ptr<Impl> impl, ListQuery query)
        : impl_(std::move(impl)),
          query_(std::move(query)),
          filters_(query_.which.ids.empty() && query_.which.reads()) {}

    net::Task<base::Result<std::optional<std::vector<MessageView>>>> next(net::Loop& loop) override {
        const bool first = !looked_;
        co_await find(loop);
        const std::size_t left = query_.limit - summary_.given;
        const std::size_t size =
            std::min({first ? kFirstPage : kPage, found_.ids.size() - at_, filters_ ? kPage : left});
        if (size == 0 || left == 0) {
            summary_.matched = filters_ ? summary_.given : found_.matched;
            summary_.truncated = filters_ ? at_ < found_.ids.size() : found_.matched > at_;
            co_return std::nullopt;
        }
        const auto begin = found_.ids.begin() + static_cast<std::ptrdiff_t>(at_);
        std::vector<base::Ulid> ids(begin, begin + static_cast<std::ptrdiff_t>(size));
        at_ += size;
        std::vector<MessageView> page = co_await read_page(loop, impl_, std::move(ids));
        if (filters_) std::erase_if(page, [&](const MessageView& view) { return !wanted(query_.which, view); });
        if (page.size() > left) page.resize(left);
        summary_.given += page.size();
        co_return std::move(page);
    }
    const ListSummary& summary() const override { return summary_; }

    net::Task<base::Result<std::optional<std::vector<base::Ulid>>>> next_ids(net::Loop& loop,
                                                                             std::size_t most) override {
        std::vector<base::Ulid> ids;
        if (filters_) {
            auto page = co_await next(loop);
            if (!page) co_return std::unexpected(page.error());
            if (!*page) co_return std::nullopt;
            for (const MessageView& view : **page) ids.push_back(view.id);
            co_return std::move(ids);
        }
        co_await find(loop);
        if (at_ == found_.ids.size()) co_return std::nullopt;
        const auto begin = found_.ids.begin() + static_cast<std::ptrdiff_t>(at_);
        const std::size_t size = std::min(most, found_.ids.size() - at_);
        at_ += size;
        ids.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
        co_return std::move(ids);
    }

    net::Task<> find(net::Loop& loop) override {
        if (std::exchange(looked_, true)) co_return;
        found_ = co_await find_matches(loop, impl_, query_, filters_ ? kNoLimit : query_.limit);
    }

private:
    std::shared_ptr<Impl> impl_;
    const ListQuery query_;
    const bool filters_;  // that only a read message can answer
    bool looked_ = false;
    Matches found_;
    std::size_t at_ = 0;
    ListSummary summary_;
};

}  // namespace

std::unique_ptr<Listing> Service::list(ListQuery query) {
    return std::make_unique<PagedListing<Impl>>(impl_, std::move(query));
}

net::Task<base::Result<ListResult>> Service::list(net::Loop& loop, ListQuery query) {
    const std::unique_ptr<Listing> listing = list(std::move(query));
    ListResult result;
    for (;;) {
        auto page = co_await listing->next(loop);
        if (!page) co_return std::unexpected(page.error());
        if (!*page) break;
        std::ranges::move(**page, std::back_inserter(result.messages));
    }
    result.matched = listing->summary().matched;
    result.truncated = listing->summary().truncated;
    co_return result;
}

net::Task<base::Result<Selected>> Service::select(net::Loop& loop, Selector which) {
    const auto impl = impl_;
    Selected out;
    ListQuery query;
    query.limit = kNoLimit;
    query.which = std::move(which);
    if (query.which.ids.empty()) {
        const std::unique_ptr<Listing> listing = list(std::move(query));
        for (;;) {
            auto ids = co_await listing->next_ids(loop, kPage);
            if (!ids) co_return std::unexpected(ids.error());
            if (!*ids) co_return out;
            std::ranges::move(**ids, std::back_inserter(out.ids));
        }
    }
    for (const base::Ulid& id : query.which.ids) {
        std::function<bool()> question = [impl, id] {
            return impl->parts[impl->shared->deps.queue.shard_of(id)].owner->knows(id);
        };
        net::Loop& home = impl->loops.at(impl->shared->deps.queue.shard_of(id));
        const bool known = co_await ask<bool>(loop, home, std::move(question));
        (known ? out.ids : out.unknown).push_back(id);
    }
    co_return out;
}

net::Task<base::Result<MessageView>> Service::view(net::Loop& loop, base::Ulid id) {
    const auto impl = impl_;
    std::vector<MessageView> views = co_await read_page(loop, impl, std::vector<base::Ulid>(1, id));
    if (!views.empty()) co_return std::move(views.front());
    // Not in the queue, or not to be read: the queue says which.
    auto stored = co_await impl->shared->deps.queue.load(loop, id);
    if (!stored) co_return std::unexpected(stored.error());
    co_return base::fail(base::ErrorKind::permanent, "no message " + id.to_string() + " in the queue");
}

net::Task<base::Result<Stats>> Service::stats(net::Loop& loop) {
    const auto impl = impl_;
    Stats all;
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        struct Part {
            Stats stats;
            Owner::Place next = 0;
        };
        for (Owner::Place from = 0; from != Owner::kWalked;) {
            std::function<Part()> question = [impl, i, from] {
                Part part;
                part.next = impl->parts[i].owner->count(part.stats, from);
                if (from == 0)
                    impl->parts[i].each_agent([&](auto& agent) { agent.collect(part.stats.destinations); });
                return part;
            };
            Part part = co_await ask<Part>(loop, impl->loops.at(i), std::move(question));
            from = part.next;
            all.messages += part.stats.messages;
            all.recipients_pending += part.stats.recipients_pending;
            all.in_flight += part.stats.in_flight;
            all.waiting += part.stats.waiting;
            all.deferred += part.stats.deferred;
            all.frozen += part.stats.frozen;
            std::ranges::move(part.stats.destinations, std::back_inserter(all.destinations));
        }
    }
    join_local(all.destinations);
    std::ranges::sort(all.destinations, std::greater{}, [](const auto& d) { return d.waiting + d.in_flight; });
    if (all.destinations.size() > kMaxDestinations) all.destinations.resize(kMaxDestinations);
    const FrozenPtr frozen = impl->frozen.with([](const FrozenPtr& f) { return f; });
    if (frozen) {
        all.everything_frozen = frozen->everything;
        all.frozen_domains.assign(frozen->domains.begin(), frozen->domains.end());
    }
    co_return all;
}

}  // namespace posthorn::delivery
