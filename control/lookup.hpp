// A domain's mail hosts and their addresses, as mail would find them, for an answer that is sent as it is found.
#pragma once

#include <memory>
#include <string>

#include "control/handlers.hpp"
#include "net/dns.hpp"

namespace posthorn::control {

struct Wanted {
    std::string name;   // a domain_key(), or an address literal
    bool hosts = true;  // its MX hosts; else `name` is the host
    bool anew = false;  // what is kept of it is forgotten first
};

// Rows with `name`, `type`, `status`, `record`, `ttl`, `text`. The resolver's questions run on one of `loops`, the mail's;
// both outlive the parts. `loop` is the asker's.
std::shared_ptr<Parts> look_up(net::Loop& loop, net::Resolver& resolver, net::LoopGroup& loops, Wanted wanted);

}  // namespace posthorn::control
