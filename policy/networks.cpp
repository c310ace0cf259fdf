#include "policy/networks.hpp"

#include <algorithm>

namespace posthorn::policy {

Networks loopback_networks() { return {*net::Network::parse("127.0.0.0/8"), *net::Network::parse("::1/128")}; }

bool contains(const Networks& networks, const net::IpAddress& ip) {
    return std::ranges::any_of(networks, [&](const net::Network& network) { return network.contains(ip); });
}

}  // namespace posthorn::policy
