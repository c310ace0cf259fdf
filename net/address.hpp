// IP addresses, networks and socket endpoints as plain values, free of Asio.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace posthorn::net {

struct IpAddress {
    bool v6 = false;
    std::array<std::uint8_t, 16> bytes{};  // v4: the first four
    std::string to_string() const;         // canonical (RFC 5952); no brackets
    bool loopback() const;
    IpAddress unmapped() const;  // ::ffff:a.b.c.d becomes a.b.c.d
    static std::optional<IpAddress> parse(std::string_view text);
    auto operator<=>(const IpAddress&) const = default;
};

struct Network {
    IpAddress base;
    int prefix = 0;
    bool contains(const IpAddress& ip) const;  // families never mix, but v4-mapped is unmapped first
    static std::optional<Network> parse(std::string_view text);  // "10.0.0.0/8", "::1", "192.0.2.7"
    std::string to_string() const;
    bool operator==(const Network&) const = default;
};

// Where to listen or connect: an IP and port, or a Unix socket.
struct Endpoint {
    IpAddress ip;
    std::uint16_t port = 0;
    std::string unix_path;          // not empty: a Unix socket
    std::string to_string() const;  // "192.0.2.1:25", "[::1]:25", "unix:/path"
    bool operator==(const Endpoint&) const = default;
    auto operator<=>(const Endpoint&) const = default;
};

// "[::]:25", "0.0.0.0:25", "unix:/run/x.sock". Names are not resolved here.
base::Result<Endpoint> parse_endpoint(std::string_view text);

// "host:port", "[::1]:25", "host" (then default_port): for smarthosts and overrides; the host is not resolved.
struct HostPort {
    std::string host;
    std::uint16_t port = 0;
    std::string to_string() const;
    bool operator==(const HostPort&) const = default;
};
base::Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port);

}  // namespace posthorn::net
