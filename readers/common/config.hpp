// What every reader is told by the configuration: plain values, replaced whole on reload; live sessions keep theirs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "net/doors.hpp"
#include "net/tls.hpp"
#include "policy/networks.hpp"

namespace posthorn::readers {

// Of all listeners of a protocol.
struct Limits {
    std::uint32_t max_connections = 1000;                   // of all listeners
    std::uint32_t max_connections_per_client = 50;          // IPv6 by /64
    std::uint32_t max_strangers_per_client = 20;            // of these, that have not logged in
    std::uint32_t max_errors = 20;                          // commands that were none
    std::uint32_t max_logins = 3;                           // that failed, in a session
    policy::Networks plaintext_auth_networks;               // may say passwords without TLS
    base::Duration login = std::chrono::minutes(1);         // for a command before the login
    base::Duration before_login = std::chrono::minutes(3);  // from the connection to the login, all in all
    base::Duration idle = std::chrono::minutes(10);         // for a command after it
    base::Duration write = std::chrono::minutes(5);         // for 16 to 128 KiB of what we say
    bool operator==(const Limits&) const = default;
};

// [[listener]] with the protocol; `Own` derives from Limits.
template <class Own>
struct ListenerConfig : net::DoorConfig {
    Own limits;
};

template <class Own>
struct Config {
    std::string hostname;
    std::vector<ListenerConfig<Own>> listeners;
    std::shared_ptr<const net::TlsServerContext> tls;  // null: no listener has TLS
};

}  // namespace posthorn::readers
