// This machine's addresses.
#pragma once

#include <vector>

#include "net/address.hpp"

namespace posthorn::net {

// Of all interfaces that are up, at this moment; link-local ones and those that repeat are left out. Empty when the
// system does not tell.
std::vector<IpAddress> own_addresses();

}  // namespace posthorn::net
