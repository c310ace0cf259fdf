#include "control/domain_commands.hpp"

#include "base/units.hpp"
#include "control/arguments.hpp"
#include "control/views.hpp"
#include "policy/routing.hpp"

namespace posthorn::control {
namespace {

using delivery::Override;

constexpr std::size_t kLimit = 1000;

Value time(const std::optional<base::WallTime>& t) { return t ? Value(base::format_time(*t)) : Value(); }

Value destination(const delivery::DestinationStats& d) {
    auto out = Value::map();
    const bool limited = d.rate.per_second > 0;
    out.set("destination", d.key)
        .set("next_hop", d.next_hop)
        .set("waiting", d.waiting)
        .set("in_flight", d.in_flight);
    out.set("connections", d.connections).set("max_connections", d.max_connections);
    out.set("per_second", limited ? Value(d.rate.per_second) : Value())
        .set("burst", limited ? Value(d.rate.burst) : Value());
    out.set("tokens", limited ? Value(d.tokens) : Value()).set("next_token", time(d.next_token));
    out.set("why", why(d)).set("until", time(d.until));
    out.set("tls", !d.reached      ? Value()
                   : d.tls.empty() ? Value("none")
                                   : Value(d.tls))
        .set("last_error", d.last_error);
    return out;
}

Value rate(std::string_view domain, double per_second, std::uint32_t burst, const char* from) {
    return Value::map().set("domain", domain).set("per_second", per_second).set("burst", burst).set("from", from);
}

Value way(std::string_view domain, std::string goes_to, const char* from) {
    return Value::map().set("domain", domain).set("goes_to", std::move(goes_to)).set("from", from);
}

class DomainCommands {
public:
    explicit DomainCommands(delivery::Service& delivery) : delivery_(delivery) {}

    net::Task<base::Result<Reply>> destinations(net::Loop& loop, Value args) const {
        std::string domain(text_arg(args, "domain"));
        const auto found = co_await delivery_.destinations(loop, std::move(domain), limit_arg(args, kLimit));
        if (!found) co_return std::unexpected(found.error());
        auto list = Value::list();
        for (const auto& one : *found) list.add(destination(one));
        co_return Reply{.result = std::move(list), .info = {}};
    }

    // What a rule leaves out it has from a wider one: a single key is shown with the other's default.
    net::Task<base::Result<Reply>> list_rates(net::Loop&, Value) const {
        const auto configured = delivery_.configured();
        auto list = Value::list();
        list.add(rate("*", configured.rate.per_second, configured.rate.burst, "default"));
        for (const auto& rule : configured.rules) {
            if (rule.messages_per_second || rule.burst_size)
                list.add(rate(rule.pattern, rule.messages_per_second.value_or(configured.rate.per_second),
                              rule.burst_size.value_or(configured.rate.burst), "config"));
        }
        for (const auto& [pattern, over] : delivery_.overrides()) {
            if (over.rate) list.add(rate(pattern, over.rate->per_second, over.rate->burst, "runtime"));
        }
        co_return Reply{.result = std::move(list), .info = {}};
    }

    net::Task<base::Result<Reply>> set_rate(net::Loop& loop, Value args) const {
        const policy::Rate wanted{*args.find("per_second")->number(),
                                  static_cast<std::uint32_t>(*args.find("burst")->integer())};
        delivery::Service::Change change = [wanted](Override& over) { over.rate = wanted; };
        auto result = rate(text_arg(args, "domain"), wanted.per_second, wanted.burst, "runtime");
        co_return co_await done(loop, text_arg(args, "domain"), std::move(change), std::move(result));
    }

    net::Task<base::Result<Reply>> reset_rate(net::Loop& loop, Value args) const {
        const auto pattern = delivery::override_pattern(text_arg(args, "domain"));
        const auto overrides = delivery_.overrides();
        const auto found = overrides.find(pattern);
        if (found == overrides.end() || !found->second.rate)
            co_return base::fail(base::ErrorKind::permanent, "no rate was set for that");
        delivery::Service::Change change = [](Override& over) { over.rate.reset(); };
        co_return co_await done(loop, pattern, std::move(change),
                                Value::map().set("domain", pattern).set("reset", true));
    }

    net::Task<base::Result<Reply>> list_overrides(net::Loop&, Value) const {
        auto list = Value::list();
        for (const auto& rule : delivery_.configured().rules) {
            if (rule.mx_override) list.add(way(rule.pattern, rule.mx_override->to_string(), "config"));
        }
        for (const auto& [pattern, over] : delivery_.overrides()) {
            if (over.mx_override) list.add(way(pattern, over.mx_override->to_string(), "runtime"));
        }
        co_return Reply{.result = std::move(list), .info = {}};
    }

    net::Task<base::Result<Reply>> set_override(net::Loop& loop, Value args) const {
        const auto hop = policy::parse_hop(text_arg(args, "to"), policy::kSmtpPort);
        if (!hop) co_return base::fail(base::ErrorKind::protocol, hop.error().log_text);
        delivery::Service::Change change = [hop = *hop](Override& over) { over.mx_override = hop; };
        co_return co_await done(loop, text_arg(args, "domain"), std::move(change),
                                way(text_arg(args, "domain"), hop->to_string(), "runtime"));
    }

    net::Task<base::Result<Reply>> remove_override(net::Loop& loop, Value args) const {
        const auto pattern = delivery::override_pattern(text_arg(args, "domain"));
        const auto overrides = delivery_.overrides();
        const auto found = overrides.find(pattern);
        if (found == overrides.end() || !found->second.mx_override)
            co_return base::fail(base::ErrorKind::permanent, "no override was set for that");
        delivery::Service::Change change = [](Override& over) { over.mx_override.reset(); };
        co_return co_await done(loop, pattern, std::move(change),
                                Value::map().set("domain", pattern).set("removed", true));
    }

private:
    net::Task<base::Result<Reply>> done(net::Loop& loop, std::string_view pattern, delivery::Service::Change change,
                                        Value result) const {
        const auto changed = co_await delivery_.change_override(loop, std::string(pattern), std::move(change));
        if (!changed) co_return std::unexpected(changed.error());
        co_return Reply{.result = std::move(result.set("persists", true)), .info = {}};
    }

    delivery::Service& delivery_;
};

}  // namespace

Handlers make_domain_handlers(delivery::Service& delivery) {
    const auto commands = std::make_shared<DomainCommands>(delivery);
    const NamedMethod<DomainCommands> methods[] = {
        {"destinations", &DomainCommands::destinations},
        {"rate.list", &DomainCommands::list_rates},
        {"rate.set", &DomainCommands::set_rate},
        {"rate.reset", &DomainCommands::reset_rate},
        {"dns.list-overrides", &DomainCommands::list_overrides},
        {"dns.set-override", &DomainCommands::set_override},
        {"dns.remove-override", &DomainCommands::remove_override},
    };
    return handlers_of(commands, methods);
}

}  // namespace posthorn::control
