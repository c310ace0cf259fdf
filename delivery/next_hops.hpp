// From a route to the addresses to try, in order. Asks DNS; everything else is pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "delivery/config.hpp"
#include "mail/outcome.hpp"
#include "net/dns.hpp"
#include "net/loop.hpp"
#include "policy/routing.hpp"

namespace posthorn::delivery {

struct Target {
    net::Endpoint endpoint;
    std::string host;  // the MX name, for TLS and logs
};

struct NextHops {
    std::vector<Target> targets;           // empty: `failure` says why
    std::optional<mail::Outcome> failure;  // `at` is the caller's to fill
    // The addresses of an MX host cannot be had just now: a refusal by the others is not the last word.
    bool unsettled = false;
};

// More MX hosts, or addresses in all, than these are not looked at.
inline constexpr std::size_t kMaxMxHosts = 20;
inline constexpr std::size_t kMaxTargets = 64;

net::Task<NextHops> find_next_hops(net::Loop& loop, net::Resolver& resolver, base::Random& random,
                                   std::shared_ptr<const policy::Route> route,
                                   std::shared_ptr<const Config> config);

// By preference, equals in random order (RFC 5321 §5.1).
void order_mx(std::vector<net::MxRecord>& records, base::Random& random);
// IPv6 and IPv4 in turn, IPv6 first; each family keeps its order.
std::vector<net::IpAddress> interleave(const std::vector<net::IpAddress>& addresses);
// Would a connection to `endpoint` reach ourselves?
bool is_own_endpoint(const Config& config, const net::Endpoint& endpoint);
bool is_own_name(const Config& config, std::string_view host);

}  // namespace posthorn::delivery
