// What the IMAP reader is told by the configuration: plain values, replaced whole on reload; live sessions keep theirs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "net/address.hpp"
#include "net/tls.hpp"
#include "policy/networks.hpp"

namespace posthorn::imap {

// [imap], of all its listeners.
struct ImapConfig {
    std::uint32_t max_connections = 10'000;            // of all listeners
    std::uint32_t max_connections_per_client = 50;     // IPv6 by /64
    std::uint32_t max_errors = 20;                     // BADs in a row
    std::uint32_t max_logins = 3;                      // that failed, in a session
    std::uint64_t append_limit = 50ULL << 20;          // octets of a message (RFC 7889)
    policy::Networks plaintext_auth_networks;          // may say passwords without TLS
    base::Duration login = std::chrono::minutes(1);    // for a command before the login
    base::Duration idle = std::chrono::minutes(30);    // and after it (RFC 9051 §5.4)
    base::Duration command = std::chrono::minutes(5);  // for the rest of a command that has begun
    base::Duration write = std::chrono::minutes(5);    // for 16 to 128 KiB of responses
    bool operator==(const ImapConfig&) const = default;
};

enum class ListenerTls : std::uint8_t { none, starttls, implicit };

// [[listener]] with protocol = "imap".
struct ListenerConfig {
    net::Endpoint address;
    unsigned unix_mode = 0660;  // of a Unix socket
    std::string unix_group;     // empty: unchanged
    ListenerTls tls = ListenerTls::starttls;
    ImapConfig imap;
};

struct Config {
    std::string hostname;
    std::vector<ListenerConfig> listeners;
    std::shared_ptr<const net::TlsServerContext> tls;  // null: no listener has TLS
};

}  // namespace posthorn::imap
