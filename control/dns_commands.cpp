// dns.*: what the resolver keeps, and what it would find.
#include <algorithm>

#include "base/units.hpp"
#include "control/arguments.hpp"
#include "control/domain_commands.hpp"
#include "mail/address.hpp"

namespace posthorn::control {
namespace {

constexpr std::size_t kLimit = 1000;
constexpr std::size_t kMaxHosts = 20;

// What a lookup found, on its way from the loop that asked.
struct Found {
    explicit Found(net::Loop& loop) : event(loop) {}
    Value rows = Value::list();
    bool complete = false;
    net::Event event;
};

Value row(std::string_view name, std::string_view type, net::DnsStatus status, std::string_view record,
          base::Duration ttl, std::string_view text) {
    auto out = Value::map();
    out.set("name", name).set("type", type).set("status", net::name(status)).set("record", record);
    out.set("ttl", status == net::DnsStatus::ok ? Value(base::format_duration(ttl)) : Value()).set("text", text);
    return out;
}

net::Task<> add_addresses(net::Loop& loop, net::Resolver& resolver, std::string host, std::shared_ptr<Value> rows) {
    const net::AddressAnswer answer = co_await resolver.addresses(loop, host);
    for (const auto& ip : answer.addresses)
        rows->add(row(host, ip.v6 ? "AAAA" : "A", answer.status, ip.to_string(), answer.ttl, ""));
    if (answer.addresses.empty()) rows->add(row(host, "A, AAAA", answer.status, "", {}, answer.text));
}

// On one of the mail's loops; the answer goes to `home`.
net::Task<> look(net::Loop& loop, net::Resolver& resolver, std::string name, bool anew, net::Loop& home,
                 std::shared_ptr<Found> found) {
    const auto rows = std::make_shared<Value>(Value::list());
    if (anew) resolver.clear_cache(name);
    net::MxAnswer mx = co_await resolver.mx(loop, name);
    std::ranges::sort(mx.records, {}, &net::MxRecord::preference);
    if (mx.records.empty()) rows->add(row(name, "MX", mx.status, "", {}, mx.text));
    for (const auto& record : mx.records) {
        const auto shown = std::to_string(record.preference) + " " + (record.host.empty() ? "." : record.host);
        rows->add(row(name, "MX", mx.status, shown, mx.ttl, ""));
    }
    // RFC 5321 §5.1: without MX records the domain is its own host.
    if (mx.status == net::DnsStatus::no_data) mx.records.push_back({.preference = 0, .host = name});
    if (mx.records.size() > kMaxHosts) mx.records.resize(kMaxHosts);
    for (const auto& record : mx.records) {
        if (record.host.empty()) continue;
        if (anew) resolver.clear_cache(record.host);
        co_await add_addresses(loop, resolver, record.host, rows);
    }
    home.post([found, rows] {
        found->rows = std::move(*rows);
        found->complete = true;
        found->event.notify_all();
    });
}

// Servers may take long not to answer.
class LookupParts final : public Parts {
public:
    explicit LookupParts(std::shared_ptr<Found> found) : found_(std::move(found)) {}

    net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) override {
        if (given_) co_return std::nullopt;
        const auto until = loop.now() + kSignOfLife;
        while (!found_->complete && loop.now() < until) co_await found_->event.wait(until);
        if (!found_->complete) co_return std::optional<Value>(Value::list());
        given_ = true;
        co_return std::optional<Value>(std::move(found_->rows));
    }
    Value info() const override { return Value::map(); }

private:
    std::shared_ptr<Found> found_;
    bool given_ = false;
};

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
        const auto found = std::make_shared<Found>(loop);
        net::Loop& asker = loops_.for_hash(std::hash<std::string>{}(name));
        net::spawn(asker, "control.lookup", look(asker, resolver_, std::move(name), anew, loop, found));
        co_return Reply{.result = Value::list(), .parts = std::make_shared<LookupParts>(found)};
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
