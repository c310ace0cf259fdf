#include "delivery/ask.hpp"
#include "delivery/service_impl.hpp"
#include "delivery/wait.hpp"

namespace posthorn::delivery {

net::Task<base::Result<Redirected>> Service::redirect(net::Loop& loop, base::Ulid id, mail::Address to) {
    const auto impl = impl_;
    const auto told = std::make_shared<std::optional<Redirected>>();
    Wait wait(loop);
    const std::size_t shard = impl->shared->deps.queue.shard_of(id);
    // The owner lets go of the ticket when the change is durable, or will not be.
    std::function<bool()> order = [impl, shard, id, to, ticket = wait.ticket(), told] {
        return impl->parts[shard].owner->redirect(id, to, ticket, told);
    };
    const bool known = co_await ask<bool>(loop, impl->loops.at(shard), std::move(order));
    if (!known) co_return base::fail(base::ErrorKind::permanent, "not in the queue: " + id.to_string());
    co_await wait.all_gone();
    if (!*told)
        co_return base::fail(base::ErrorKind::temporary,
                             "its recipients are in an attempt, or it cannot be read: try again");
    co_return **told;
}

}  // namespace posthorn::delivery
