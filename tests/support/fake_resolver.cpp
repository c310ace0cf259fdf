#include "tests/support/fake_resolver.hpp"

#include <algorithm>

namespace posthorn::testing {

using net::DnsStatus;

namespace {

constexpr int kMaxChain = 8;

std::string text_of(DnsStatus status, const std::string& name) {
    switch (status) {
        case DnsStatus::ok: return {};
        case DnsStatus::no_data: return name + ": no such record";
        case DnsStatus::nxdomain: return name + ": no such name";
        case DnsStatus::servfail: return name + ": server failure";
        case DnsStatus::timed_out: return name + ": timed out";
        case DnsStatus::bad_name: return name + ": not a name";
        case DnsStatus::local: return name + ": no resolver";
    }
    return {};
}

}  // namespace

void FakeResolver::add_mx(const std::string& name, std::uint16_t preference, std::string host) {
    zone_[name].mx.push_back({preference, std::move(host)});
}

void FakeResolver::add_address(const std::string& name, std::string_view ip) {
    zone_[name].addresses.push_back(net::IpAddress::parse(ip).value());
}

void FakeResolver::add_txt(const std::string& name, std::string text) {
    zone_[name].txt.push_back(std::move(text));
}

void FakeResolver::add_cname(const std::string& name, std::string target) { zone_[name].cname = std::move(target); }

void FakeResolver::fail(const std::string& name, DnsStatus status) { zone_[name].fault = status; }

void FakeResolver::delay(const std::string& name, base::Duration delay) { zone_[name].delay = delay; }

FakeResolver::Found FakeResolver::find(const std::string& name, bool (*has)(const Name&)) const {
    std::string at = name;
    for (int links = 0; links <= kMaxChain; ++links) {
        const auto found = zone_.find(at);
        if (found == zone_.end()) return {DnsStatus::nxdomain, {}};
        const Name& entry = found->second;
        if (entry.fault != DnsStatus::ok) return {entry.fault, {}};
        if (entry.cname.empty()) return {has(entry) ? DnsStatus::ok : DnsStatus::no_data, entry};
        at = entry.cname;
    }
    return {DnsStatus::servfail, {}};
}

net::Task<> FakeResolver::wait(net::Loop& loop, std::string name) {
    const auto found = zone_.find(name);
    const auto delay = found == zone_.end() ? base::Duration{} : found->second.delay;
    co_await net::sleep_until(loop, loop.now() + delay);
}

net::Task<net::MxAnswer> FakeResolver::mx(net::Loop& loop, std::string name) {
    questions_.push_back("mx " + name);
    co_await wait(loop, name);
    auto found = find(name, [](const Name& n) { return !n.mx.empty(); });
    co_return net::MxAnswer{found.status, std::move(found.name.mx), ttl_, text_of(found.status, name)};
}

net::Task<net::AddressAnswer> FakeResolver::addresses(net::Loop& loop, std::string name) {
    questions_.push_back("addresses " + name);
    co_await wait(loop, name);
    auto found = find(name, [](const Name& n) { return !n.addresses.empty(); });
    std::stable_partition(found.name.addresses.begin(), found.name.addresses.end(),
                          [](const net::IpAddress& ip) { return ip.v6; });
    co_return net::AddressAnswer{found.status, std::move(found.name.addresses), ttl_, text_of(found.status, name)};
}

net::Task<net::TxtAnswer> FakeResolver::txt(net::Loop& loop, std::string name) {
    questions_.push_back("txt " + name);
    co_await wait(loop, name);
    auto found = find(name, [](const Name& n) { return !n.txt.empty(); });
    co_return net::TxtAnswer{found.status, std::move(found.name.txt), ttl_, text_of(found.status, name)};
}

net::DnsHealth FakeResolver::health() const {
    net::DnsHealth health;
    health.ok = ok_;
    health.text = text_;
    health.queries = questions_.size();
    return health;
}

}  // namespace posthorn::testing
