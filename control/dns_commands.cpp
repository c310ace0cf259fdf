// dns.*: what the resolver keeps, and what it would find.
#include "base/units.hpp"
#include "control/arguments.hpp"
#include "control/domain_commands.hpp"
#include "control/lookup.hpp"
#include "mail/address.hpp"

namespace posthorn::control {
namespace {

constexpr std::size_t kLimit = 1000;

class DnsCommands {
public:
    DnsCommands(net::Resolver& resolver, net::LoopGroup& loops) : resolver_(resolver), loops_(loops) {}

    net::Task<base::Result<Reply>> list_cache(net::Loop& loop, Value args) const {
        auto list = Value::list();
        for (const auto& kept :
             resolver_.cached(std::string(text_arg(args, "domain")), limit_arg(args, kLimit), loop.now())) {
            auto records = Value::list();
            for (const auto& record : kept.records) records.add(record);
            auto one = Value::map();
            one.set("name", kept.name).set("type", kept.type).set("status", net::name(kept.status));
            one.set("left", base::format_duration(std::chrono::floor<std::chrono::seconds>(kept.left)));
            list.add(std::move(one.set("records", std::move(records))));
        }
        co_return Reply{.result = std::move(list), .info = {}};
    }

    net::Task<base::Result<Reply>> clear_cache(net::Loop&, Value args) const {
        const std::string name(text_arg(args, "domain"));
        resolver_.clear_cache(name);
        auto result = Value::map();
        result.set("cleared", name.empty() ? "everything" : name).set("left", resolver_.health().cache_entries);
        co_return Reply{.result = std::move(result), .info = {}};
    }

    net::Task<base::Result<Reply>> lookup(net::Loop& loop, Value args) const {
        co_return co_await find(loop, std::string(text_arg(args, "domain")), false);
    }

    net::Task<base::Result<Reply>> refresh(net::Loop& loop, Value args) const {
        co_return co_await find(loop, std::string(text_arg(args, "domain")), true);
    }

private:
    net::Task<base::Result<Reply>> find(net::Loop& loop, std::string domain, bool anew) const {
        auto name = mail::domain_key(domain);
        if (name.empty()) co_return base::fail(base::ErrorKind::protocol, "that is not a domain");
        auto parts = look_up(loop, resolver_, loops_, {.name = std::move(name), .anew = anew});
        co_return Reply{.result = Value::list(), .parts = std::move(parts)};
    }

    net::Resolver& resolver_;
    net::LoopGroup& loops_;
};

}  // namespace

Handlers make_dns_handlers(net::Resolver& resolver, net::LoopGroup& loops) {
    const auto commands = std::make_shared<DnsCommands>(resolver, loops);
    const NamedMethod<DnsCommands> methods[] = {
        {"dns.list-cache", &DnsCommands::list_cache},
        {"dns.clear-cache", &DnsCommands::clear_cache},
        {"dns.lookup", &DnsCommands::lookup},
        {"dns.refresh", &DnsCommands::refresh},
    };
    return handlers_of(commands, methods);
}

}  // namespace posthorn::control
