// The PROXY protocol's header, versions 1 and 2 (HAProxy's proxy-protocol.txt): who is behind a load balancer.
// It comes before anything else, TLS included; so it is read exactly, never a byte beyond it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::smtp {

// v1 lines have at most 107 octets. A v2 header that claims more than this (its TLVs are skipped) is refused.
inline constexpr std::size_t kMaxProxyHeader = 2048;

struct ProxyAddress {
    std::string ip;  // canonical
    std::uint16_t port = 0;
    bool operator==(const ProxyAddress&) const = default;
};

struct ProxyHeader {
    // Absent: LOCAL or UNKNOWN (a health check of the balancer itself), or no IP: the connection speaks for itself.
    std::optional<ProxyAddress> source;
    std::optional<ProxyAddress> destination;
};

struct ProxyParse {
    enum class Status : std::uint8_t { more, done, bad } status = Status::bad;
    std::size_t more = 0;  // at least this many octets are missing, and reading them does not read too far
    ProxyHeader header;    // when done; it took all octets given
};

// `octets`: all that was read so far, from the first on.
ProxyParse parse_proxy_header(std::string_view octets);

}  // namespace posthorn::smtp
