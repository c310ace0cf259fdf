// `route`: every rule that decides about an address now, and what it says; nothing is sent.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "auth/directory.hpp"
#include "control/handlers.hpp"
#include "delivery/service.hpp"
#include "mail/address.hpp"
#include "net/dns.hpp"

namespace posthorn::control {

struct RouteStep {
    std::string rule;    // "relay"
    std::string result;  // in words
};

// What server/ knows of an address.
struct RouteDeps {
    delivery::Service& delivery;
    net::Resolver& resolver;
    net::LoopGroup& loops;  // the mail's
    // Whether receiving takes it. Any thread.
    std::function<std::vector<RouteStep>(const mail::Address&)> receiving;
    auth::Directory* directory = nullptr;  // null: no domain is local
};

// Who an address is here: an account, an alias and who is behind it, nobody.
net::Task<std::vector<RouteStep>> local_steps(net::Loop& loop, auth::Directory& directory, mail::Address address);

// All outlive the handlers.
Handlers make_route_handlers(RouteDeps deps);

}  // namespace posthorn::control
