// A list of IP networks, asked once a session: who may relay, who may speak XCLIENT or PROXY.
#pragma once

#include <vector>

#include "net/address.hpp"

namespace posthorn::policy {

using Networks = std::vector<net::Network>;

// Loopback, as both families write it.
Networks loopback_networks();

bool contains(const Networks& networks, const net::IpAddress& ip);

}  // namespace posthorn::policy
