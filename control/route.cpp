#include "control/route.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <set>

#include "control/arguments.hpp"
#include "control/lookup.hpp"
#include "policy/routing.hpp"

namespace posthorn::control {
namespace {

using Steps = std::vector<RouteStep>;

constexpr std::size_t kMaxTargets = 200;  // of aliases, that are looked at

Value row(std::string_view rule, std::string_view result) {
    return Value::map().set("rule", rule).set("result", result);
}

// Routing tells its reasons a line each; what each begins with is the rule.
Value routing_row(std::string_view line) {
    constexpr std::array<std::string_view, 5> kRules = {"rule", "next hop", "tls", "rate", "connections"};
    for (const auto rule : kRules) {
        if (line.starts_with(rule) && line.substr(rule.size()).starts_with(' '))
            return row(rule, line.substr(rule.size() + 1));
    }
    return row("rule", line);
}

// Rows about hosts, in the words of a route.
class HostParts final : public Parts {
public:
    explicit HostParts(std::shared_ptr<Parts> rows) : rows_(std::move(rows)) {}

    net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) override {
        base::Result<std::optional<Value>> part = co_await rows_->next(loop);
        if (!part || !*part) co_return part;
        auto list = Value::list();
        for (const auto& one : *(*part)->items()) {
            const auto text = [&](std::string_view name) { return one.find(name)->text(); };
            const bool mx = text("type") == "MX";
            auto said = std::string(text("record"));
            if (said.empty()) said = fmt::format("{} {}", text("status"), text("text"));
            list.add(row(mx ? "mx" : "address", mx ? said : fmt::format("{}: {}", text("name"), said)));
        }
        co_return std::optional<Value>(std::move(list));
    }
    Value info() const override { return Value::map(); }

private:
    std::shared_ptr<Parts> rows_;
};

class RouteCommand {
public:
    explicit RouteCommand(RouteDeps deps) : deps_(std::move(deps)) {}

    net::Task<base::Result<Reply>> run(net::Loop& loop, Value args) const {
        const auto text = text_arg(args, "address");
        mail::Address address;
        if (const auto whole = mail::parse_address(text))
            address = *whole;
        else
            address.domain = text;  // of a domain alone
        const auto domain = mail::domain_key(address.domain);
        if (domain.empty())
            co_return base::fail(base::ErrorKind::protocol, "that is neither an address nor a domain");

        auto list = Value::list();
        for (const auto& step : deps_.receiving(address)) list.add(row(step.rule, step.result));
        if (deps_.directory == nullptr) {
            list.add(row("local", "no domain is local"));
        } else {
            const Steps steps = co_await local_steps(loop, *deps_.directory, address);
            for (const auto& step : steps) list.add(row(step.rule, step.result));
        }
        const base::Result<delivery::Stats> stats = co_await deps_.delivery.stats(loop);
        if (stats && (stats->everything_frozen || std::ranges::count(stats->frozen_domains, domain) > 0))
            list.add(
                row("frozen", stats->everything_frozen ? "everything is held back" : "the domain is held back"));
        add_routing(list, domain);
        co_return Reply{.result = std::move(list), .parts = hosts(loop, domain)};
    }

private:
    void add_routing(Value& list, const std::string& domain) const {
        for (const auto& [pattern, over] : deps_.delivery.overrides()) {
            if (!mail::domain_matches(pattern, domain)) continue;
            if (over.mx_override)
                list.add(row("override", fmt::format("\"{}\" goes to {}, set at run time", pattern,
                                                     over.mx_override->to_string())));
            if (over.rate)
                list.add(row("override", fmt::format("\"{}\" has {} a second, burst {}, set at run time", pattern,
                                                     over.rate->per_second, over.rate->burst)));
        }
        for (const auto& line : deps_.delivery.explain_route(domain)) list.add(routing_row(line));
    }

    // Null where nothing is to be resolved.
    std::shared_ptr<Parts> hosts(net::Loop& loop, const std::string& domain) const {
        const auto routing = delivery::laid_over(deps_.delivery.configured(), deps_.delivery.overrides());
        const bool local = deps_.directory != nullptr && deps_.directory->is_local_domain(domain);
        const auto route = policy::RoutingTable(routing).route(domain, local);
        const bool by_mx = route.via == policy::Route::Via::mx;
        const auto& name = by_mx ? domain : route.hop.host;
        if (route.protocol == policy::Protocol::local || route.via == policy::Route::Via::unix_socket ||
            net::IpAddress::parse(name) || mail::literal_address(domain))
            return nullptr;
        return std::make_shared<HostParts>(
            look_up(loop, deps_.resolver, deps_.loops, {.name = name, .hosts = by_mx}));
    }

    const RouteDeps deps_;
};

}  // namespace

// Aliases are followed as far as they lead to others of ours, each once.
net::Task<Steps> local_steps(net::Loop& loop, auth::Directory& directory, mail::Address address) {
    using Kind = auth::Resolution::Kind;
    Steps out;
    if (!directory.is_local_domain(mail::domain_key(address.domain))) {
        out.push_back({"local", "the domain is not ours"});
        co_return out;
    }
    if (address.local.empty()) {
        out.push_back({"local", "the domain is ours"});
        co_return out;
    }
    std::deque<mail::Address> open{address};
    std::set<std::string> seen{address.to_string()};
    for (; !open.empty(); open.pop_front()) {
        const auto name = open.front().to_string();
        const base::Result<auth::Resolution> found = co_await directory.resolve(loop, open.front());
        if (!found) {
            out.push_back(
                {"local", fmt::format("{}: the directory does not answer: {}", name, found.error().log_text)});
            continue;
        }
        const auto by = found->catch_all ? ", by the domain's catch-all" : "";
        switch (found->kind) {
            case Kind::not_local: out.push_back({"local", name + ": goes to another server"}); break;
            case Kind::unknown: out.push_back({"local", name + ": nobody, refused with 550 5.1.1"}); break;
            case Kind::account:
                out.push_back(
                    {"local", fmt::format("{}: account {}{}{}", name, found->account.name.text(), by,
                                          found->account.disabled ? ", disabled: refused with 550 5.2.1" : "")});
                break;
            case Kind::alias:
                for (const auto& target : found->targets) {
                    out.push_back({"alias", fmt::format("{} -> {}{}", name, target.to_string(), by)});
                    if (seen.size() < kMaxTargets && seen.insert(target.to_string()).second) open.push_back(target);
                }
                break;
        }
    }
    co_return out;
}

Handlers make_route_handlers(RouteDeps deps) {
    const auto command = std::make_shared<RouteCommand>(std::move(deps));
    const NamedMethod<RouteCommand> methods[] = {{"route", &RouteCommand::run}};
    return handlers_of(command, methods);
}

}  // namespace posthorn::control
