#include "tests/support/orders.hpp"

namespace posthorn::testing {

using delivery::Order;
using delivery::Ordered;
using delivery::Selector;

namespace {

net::Task<base::Result<Changed>> collect(net::Loop& loop, std::unique_ptr<delivery::Ordering> ordering) {
    Changed changed;
    for (;;) {
        auto part = co_await ordering->next(loop);
        if (!part) co_return std::unexpected(part.error());
        if (!*part) co_return changed;
        for (const auto& [id, how] : **part) {
            (how == Ordered::How::unknown ? changed.unknown : changed.ids).push_back(id);
            if (how == Ordered::How::under_way) changed.under_way.push_back(id);
        }
    }
}

}  // namespace

net::Task<base::Result<Changed>> retry(delivery::Service& service, net::Loop& loop, Selector which) {
    return collect(loop, service.order(Order::retry, std::move(which)));
}

net::Task<base::Result<Changed>> freeze(delivery::Service& service, net::Loop& loop, Selector which) {
    return collect(loop, service.order(Order::freeze, std::move(which)));
}

net::Task<base::Result<Changed>> unfreeze(delivery::Service& service, net::Loop& loop, Selector which) {
    return collect(loop, service.order(Order::unfreeze, std::move(which)));
}

net::Task<base::Result<Changed>> cancel(delivery::Service& service, net::Loop& loop, Selector which, bool bounce) {
    return collect(loop, service.order(bounce ? Order::bounce : Order::cancel, std::move(which)));
}

}  // namespace posthorn::testing
