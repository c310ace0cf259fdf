#include "control/lookup.hpp"

#include <algorithm>

#include "base/units.hpp"

namespace posthorn::control {
namespace {

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
net::Task<> look(net::Loop& loop, net::Resolver& resolver, Wanted wanted, net::Loop& home,
                 std::shared_ptr<Found> found) {
    const auto rows = std::make_shared<Value>(Value::list());
    const std::string& name = wanted.name;
    if (wanted.anew) resolver.clear_cache(name);
    net::MxAnswer mx{.status = net::DnsStatus::no_data};
    if (wanted.hosts) {
        net::MxAnswer answer = co_await resolver.mx(loop, name);
        mx = std::move(answer);
        std::ranges::sort(mx.records, {}, &net::MxRecord::preference);
        if (mx.records.empty()) rows->add(row(name, "MX", mx.status, "", {}, mx.text));
        for (const auto& record : mx.records) {
            const auto shown = std::to_string(record.preference) + " " + (record.host.empty() ? "." : record.host);
            rows->add(row(name, "MX", mx.status, shown, mx.ttl, ""));
        }
    }
    // RFC 5321 §5.1: without MX records the domain is its own host.
    if (mx.status == net::DnsStatus::no_data) mx.records.push_back({.preference = 0, .host = name});
    if (mx.records.size() > kMaxHosts) mx.records.resize(kMaxHosts);
    for (const auto& record : mx.records) {
        if (record.host.empty()) continue;
        if (wanted.anew) resolver.clear_cache(record.host);
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

}  // namespace

std::shared_ptr<Parts> look_up(net::Loop& loop, net::Resolver& resolver, net::LoopGroup& loops, Wanted wanted) {
    const auto found = std::make_shared<Found>(loop);
    net::Loop& asker = loops.for_hash(std::hash<std::string>{}(wanted.name));
    net::spawn(asker, "control.lookup", look(asker, resolver, std::move(wanted), loop, found));
    return std::make_shared<LookupParts>(found);
}

}  // namespace posthorn::control
