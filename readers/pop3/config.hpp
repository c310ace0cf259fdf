// What the POP3 reader is told by the configuration: plain values, replaced whole on reload; live sessions keep theirs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "net/address.hpp"
#include "net/tls.hpp"
#include "policy/networks.hpp"

namespace posthorn::pop3 {

// [pop3], of all its listeners.
struct Pop3Config {
    std::uint32_t max_connections = 1000;            // of all listeners
    std::uint32_t max_connections_per_client = 50;   // IPv6 by /64
    std::uint32_t max_errors = 20;                   // commands that were none, in a session
    std::uint32_t max_logins = 3;                    // that failed, in a session
    policy::Networks plaintext_auth_networks;        // may say passwords without TLS
    std::uint32_t login_delay = 0;                   // seconds an account has to wait between two logins; 0: none
    std::string expire = "NEVER";                    // told in CAPA: days, or NEVER
    bool mark_seen = true;                           // what was retrieved is \Seen to IMAP
    base::Duration login = std::chrono::minutes(1);  // for a command before the login
    base::Duration idle = std::chrono::minutes(10);  // and after it (RFC 1939 §3: at least ten minutes)
    base::Duration write = std::chrono::minutes(5);  // for 16 to 128 KiB of replies
    bool operator==(const Pop3Config&) const = default;
};

enum class ListenerTls : std::uint8_t { none, starttls, implicit };

// [[listener]] with protocol = "pop3".
struct ListenerConfig {
    net::Endpoint address;
    unsigned unix_mode = 0660;  // of a Unix socket
    std::string unix_group;     // empty: unchanged
    ListenerTls tls = ListenerTls::starttls;
    Pop3Config pop3;
};

struct Config {
    std::string hostname;
    std::vector<ListenerConfig> listeners;
    std::shared_ptr<const net::TlsServerContext> tls;  // null: no listener has TLS
};

}  // namespace posthorn::pop3
