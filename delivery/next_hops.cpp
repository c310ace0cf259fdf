#include "delivery/next_hops.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/ascii.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {

namespace {

using Kind = mail::Outcome::Kind;

NextHops failed(Kind kind, std::string status, std::string text) {
    NextHops hops;
    hops.failure.emplace();
    hops.failure->kind = kind;
    hops.failure->status = std::move(status);
    hops.failure->text = std::move(text);
    return hops;
}

// What a name that could not be resolved means for mail to it. Permanent only what DNS states as a fact.
NextHops unresolved(net::DnsStatus status, const std::string& name, const std::string& text) {
    switch (status) {
        case net::DnsStatus::nxdomain:
            return failed(Kind::permanent, "5.1.2", "Domain " + name + " does not exist");
        case net::DnsStatus::bad_name:
            return failed(Kind::permanent, "5.1.2", "Domain " + name + " is not a valid name");
        case net::DnsStatus::no_data:
            return failed(Kind::permanent, "5.4.4", "Domain " + name + " has no mail server and no address");
        default: break;
    }
    std::string why = "Name server trouble with " + name;
    if (!text.empty()) why += ": " + text;
    return failed(Kind::temporary, "4.4.3", std::move(why));
}

NextHops loops_back(const std::string& name) {
    return failed(Kind::permanent, "5.4.6", "Mail for " + name + " loops back to this server");
}

void add_targets(NextHops& hops, const std::vector<net::IpAddress>& addresses, const std::string& host,
                 std::uint16_t port) {
    for (const net::IpAddress& ip : interleave(addresses)) {
        if (hops.targets.size() >= kMaxTargets) return;
        hops.targets.push_back(Target{net::Endpoint{ip, port, {}}, host});
    }
}

bool any_own(const Config& config, const std::vector<net::IpAddress>& addresses, std::uint16_t port) {
    return std::ranges::any_of(
        addresses, [&](const auto& ip) { return is_own_endpoint(config, net::Endpoint{ip, port, {}}); });
}

net::Task<NextHops> host_targets(net::Loop& loop, net::Resolver& resolver, std::string host, std::uint16_t port,
                                 std::shared_ptr<const Config> config) {
    NextHops hops;
    std::vector<net::IpAddress> addresses;
    if (const auto ip = net::IpAddress::parse(host)) {
        addresses.push_back(*ip);
    } else {
        const net::AddressAnswer answer = co_await resolver.addresses(loop, host);
        // A next hop named in our own configuration that does not resolve is no fault of the recipient.
        if (answer.status != net::DnsStatus::ok) {
            co_return failed(Kind::temporary, "4.4.3", "Next hop " + host + " does not resolve " + answer.text);
        }
        addresses = answer.addresses;
    }
    if (any_own(*config, addresses, port)) co_return loops_back(host);
    add_targets(hops, addresses, host, port);
    co_return hops;
}

// RFC 5321 §5.1: without MX records the domain itself is its mail server. Never when there are any.
net::Task<NextHops> implicit_mx(net::Loop& loop, net::Resolver& resolver, std::string domain,
                                std::shared_ptr<const Config> config) {
    NextHops hops;
    const net::AddressAnswer answer = co_await resolver.addresses(loop, domain);
    if (answer.status != net::DnsStatus::ok) co_return unresolved(answer.status, domain, answer.text);
    if (any_own(*config, answer.addresses, policy::kSmtpPort)) co_return loops_back(domain);
    add_targets(hops, answer.addresses, domain, policy::kSmtpPort);
    co_return hops;
}

struct MxHost {
    net::MxRecord record;
    std::vector<net::IpAddress> addresses;
};

// RFC 5321 §5.1: if we are among the MX hosts, those at our preference and worse are not tried.
bool cut_at_ourselves(std::vector<MxHost>& hosts, const Config& config) {
    std::optional<std::uint16_t> own;
    for (const MxHost& host : hosts) {
        if (is_own_name(config, host.record.host) || any_own(config, host.addresses, policy::kSmtpPort)) {
            own = std::min(own.value_or(host.record.preference), host.record.preference);
        }
    }
    if (own) std::erase_if(hosts, [&](const MxHost& host) { return host.record.preference >= *own; });
    return own.has_value();
}

net::Task<NextHops> mx_targets(net::Loop& loop, net::Resolver& resolver, std::string domain,
                               std::vector<net::MxRecord> records, std::shared_ptr<const Config> config) {
    std::vector<MxHost> hosts;
    bool temporary = false;
    std::string trouble;
    for (net::MxRecord& record : records) {
        if (hosts.size() >= kMaxMxHosts) break;
        MxHost host{std::move(record), {}};
        net::AddressAnswer answer = co_await resolver.addresses(loop, host.record.host);
        if (answer.status == net::DnsStatus::ok) {
            host.addresses = std::move(answer.addresses);
        } else {
            const NextHops why = unresolved(answer.status, host.record.host, answer.text);
            temporary = temporary || why.failure->kind == Kind::temporary;
            trouble = why.failure->text;
        }
        hosts.push_back(std::move(host));
    }
    const bool cut = cut_at_ourselves(hosts, *config);
    if (cut && hosts.empty()) co_return loops_back(domain);
    NextHops hops;
    for (const MxHost& host : hosts) add_targets(hops, host.addresses, host.record.host, policy::kSmtpPort);
    hops.unsettled = temporary;
    if (!hops.targets.empty()) co_return hops;
    if (temporary) co_return failed(Kind::temporary, "4.4.3", trouble);
    // RFC 5321 §5.1: MX records that lead nowhere are an error; the domain's own address is not tried.
    co_return failed(Kind::permanent, "5.4.4", "No mail server of " + domain + " has an address: " + trouble);
}

net::Task<NextHops> domain_targets(net::Loop& loop, net::Resolver& resolver, base::Random& random,
                                   std::string domain, std::shared_ptr<const Config> config) {
    if (const auto literal = mail::literal_address(domain)) {
        co_return co_await host_targets(loop, resolver, *literal, policy::kSmtpPort, std::move(config));
    }
    net::MxAnswer answer = co_await resolver.mx(loop, domain);
    if (answer.status == net::DnsStatus::no_data) {
        co_return co_await implicit_mx(loop, resolver, std::move(domain), std::move(config));
    }
    if (answer.status != net::DnsStatus::ok) co_return unresolved(answer.status, domain, answer.text);
    // RFC 7505: the root as only MX: the domain takes no mail. Beside others it means nothing.
    std::erase_if(answer.records, [](const net::MxRecord& r) { return r.host.empty(); });
    if (answer.records.empty())
        co_return failed(Kind::permanent, "5.1.10", "Domain " + domain + " accepts no mail");
    order_mx(answer.records, random);
    co_return co_await mx_targets(loop, resolver, std::move(domain), std::move(answer.records), std::move(config));
}

}  // namespace

net::Task<NextHops> find_next_hops(net::Loop& loop, net::Resolver& resolver, base::Random& random,
                                   std::shared_ptr<const policy::Route> route,
                                   std::shared_ptr<const Config> config) {
    switch (route->via) {
        case policy::Route::Via::unix_socket: {
            NextHops hops;
            net::Endpoint endpoint;
            endpoint.unix_path = route->unix_path;
            if (is_own_endpoint(*config, endpoint)) co_return loops_back(route->unix_path);
            hops.targets.push_back(Target{endpoint, "localhost"});
            co_return hops;
        }
        case policy::Route::Via::host:
            co_return co_await host_targets(loop, resolver, route->hop.host, route->hop.port, std::move(config));
        case policy::Route::Via::store: throw std::logic_error("mail for the store on its way out");
        case policy::Route::Via::mx: break;
    }
    co_return co_await domain_targets(loop, resolver, random, route->domain, std::move(config));
}

void order_mx(std::vector<net::MxRecord>& records, base::Random& random) {
    for (std::size_t i = records.size(); i > 1; --i) std::swap(records[i - 1], records[random.below(i)]);
    std::ranges::stable_sort(records, {}, &net::MxRecord::preference);
}

std::vector<net::IpAddress> interleave(const std::vector<net::IpAddress>& addresses) {
    std::vector<net::IpAddress> six;
    std::vector<net::IpAddress> four;
    for (const net::IpAddress& ip : addresses) (ip.v6 ? six : four).push_back(ip);
    std::vector<net::IpAddress> out;
    for (std::size_t i = 0; i < std::max(six.size(), four.size()); ++i) {
        if (i < six.size()) out.push_back(six[i]);
        if (i < four.size()) out.push_back(four[i]);
    }
    return out;
}

bool is_own_endpoint(const Config& config, const net::Endpoint& endpoint) {
    const net::IpAddress to = endpoint.ip.unmapped();
    for (const net::Endpoint& own : config.own_endpoints) {
        if (!own.unix_path.empty() || !endpoint.unix_path.empty()) {
            if (own.unix_path == endpoint.unix_path) return true;
            continue;
        }
        if (own.port != endpoint.port) continue;
        const net::IpAddress at = own.ip.unmapped();
        if (at == to) return true;
        const bool wildcard = std::ranges::all_of(at.bytes, [](std::uint8_t b) { return b == 0; });
        // "[::]" listens for both families, "0.0.0.0" for IPv4 alone.
        if (!wildcard || (to.v6 && !at.v6)) continue;
        if (to.loopback() || std::ranges::find(config.own_addresses, to) != config.own_addresses.end()) return true;
    }
    return false;
}

bool is_own_name(const Config& config, std::string_view host) {
    return base::iequals(host, config.hostname) ||
           std::ranges::any_of(config.own_names, [&](const auto& own) { return base::iequals(own, host); });
}

}  // namespace posthorn::delivery
