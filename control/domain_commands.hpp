// The commands about domains: destinations, rates, where their mail goes, and what DNS says of them.
#pragma once

#include "control/handlers.hpp"
#include "delivery/service.hpp"
#include "net/dns.hpp"

namespace posthorn::control {

// All outlive the handlers. The resolver's questions run on `loops`, the mail's.
Handlers make_domain_handlers(delivery::Service& delivery);
Handlers make_dns_handlers(net::Resolver& resolver, net::LoopGroup& loops);

}  // namespace posthorn::control
