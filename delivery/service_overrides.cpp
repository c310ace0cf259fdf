// What operators set at run time over the configuration, and what they see of destinations.
#include <algorithm>

#include "delivery/ask.hpp"
#include "delivery/service_impl.hpp"
#include "mail/address.hpp"
#include "net/pool.hpp"

namespace posthorn::delivery {

net::Task<base::Result<void>> Service::change_override(net::Loop& loop, std::string pattern, Change change) {
    const auto impl = impl_;
    const auto key = override_pattern(pattern);
    if (key.empty())
        co_return base::fail(base::ErrorKind::protocol,
                             pattern + R"( is neither a domain, nor "*.domain", nor "*")");
    const Ticket turn = co_await Turns::take(impl->overriding, loop);
    Overrides next = overrides();
    change(next[key]);
    if (next[key].empty()) next.erase(key);
    if (const std::string directory = impl->settings()->config.state_dir; !directory.empty()) {
        auto write = [impl, directory, next] { return write_overrides(*impl->disk, directory, next); };
        const base::Result<void> written = co_await net::offload(loop, impl->shared->deps.disk, std::move(write));
        if (!written) co_return written;
    }
    impl->laid.with([&](Impl::Laid& both) {
        both.overrides = std::move(next);
        Config merged = both.config;
        merged.routing = laid_over(std::move(merged.routing), both.overrides);
        impl->renew(std::move(merged));
    });
    co_return base::Result<void>{};
}

Overrides Service::overrides() const {
    return impl_->laid.with([](const Impl::Laid& both) { return both.overrides; });
}

policy::RoutingConfig Service::configured() const {
    return impl_->laid.with([](const Impl::Laid& both) { return both.config.routing; });
}

net::Task<base::Result<std::vector<DestinationStats>>> Service::destinations(net::Loop& loop, std::string domain,
                                                                             std::size_t limit) {
    const auto impl = impl_;
    std::string key;
    if (!domain.empty()) {
        const auto name = mail::domain_key(domain);
        if (name.empty()) co_return base::fail(base::ErrorKind::protocol, domain + " is not a domain");
        key = impl->route(name).key;
    }
    std::vector<DestinationStats> all;
    for (std::size_t i = 0; i < impl->parts.size(); ++i) {
        std::function<std::vector<DestinationStats>()> question = [impl, i, key] {
            std::vector<DestinationStats> mine;
            impl->parts[i].each_agent([&](auto& agent) { agent.collect_all(mine, key); });
            return mine;
        };
        auto mine = co_await ask<std::vector<DestinationStats>>(loop, impl->loops.at(i), std::move(question));
        std::ranges::move(mine, std::back_inserter(all));
    }
    join_local(all);
    std::ranges::sort(all, [](const auto& a, const auto& b) {
        const auto load = [](const DestinationStats& d) { return d.waiting + d.in_flight + d.connections; };
        return load(a) != load(b) ? load(a) > load(b) : a.key < b.key;
    });
    if (all.size() > limit) all.resize(limit);
    co_return all;
}

}  // namespace posthorn::delivery
