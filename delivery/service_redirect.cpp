#include "delivery/ask.hpp"
#include "delivery/service_impl.hpp"

namespace posthorn::delivery {

namespace {

struct Over {
    explicit Over(net::Loop& loop) : event(loop) {}
    bool flag = false;
    net::Event event;
};

}  // namespace

net::Task<base::Result<Redirected>> Service::redirect(net::Loop& loop, base::Ulid id, mail::Address to) {
    const auto impl = impl_;
    const auto over = std::make_shared<Over>(loop);
    const auto told = std::make_shared<std::optional<Redirected>>();
    // The owner lets go of it when the change is durable, or will not be.
    Ticket ticket(nullptr, [&loop, over](void*) {
        loop.post([over] {
            over->flag = true;
            over->event.notify_all();
        });
    });
    const std::size_t shard = impl->shared->deps.queue.shard_of(id);
    std::function<bool()> order = [impl, shard, id, to, ticket, told] {
        return impl->parts[shard].owner->redirect(id, to, ticket, told);
    };
    ticket.reset();
    const bool known = co_await ask<bool>(loop, impl->loops.at(shard), std::move(order));
    if (!known) co_return base::fail(base::ErrorKind::permanent, "not in the queue: " + id.to_string());
    while (!over->flag) co_await over->event.wait();
    if (!*told)
        co_return base::fail(base::ErrorKind::temporary,
                             "its recipients are in an attempt, or it cannot be read: try again");
    co_return **told;
}

}  // namespace posthorn::delivery
