// How addresses stand in the configuration. Used by the tables of keys of every floor above.
#pragma once

#include "base/config/codec.hpp"
#include "net/address.hpp"

namespace posthorn::net {

inline base::config::Codec<Endpoint> endpoint_codec() {
    return base::config::parsed<Endpoint>(
        R"(an endpoint such as "[::]:25", "127.0.0.1:25" or "unix:/path")",
        [](std::string_view text) -> std::expected<Endpoint, std::string> {
            auto endpoint = parse_endpoint(text);
            if (!endpoint) return std::unexpected(endpoint.error().log_text);
            return *std::move(endpoint);
        },
        [](const Endpoint& endpoint) { return endpoint.to_string(); });
}

inline base::config::Codec<Network> network_codec() {
    return base::config::parsed<Network>(
        R"(a network such as "192.0.2.0/24", "2001:db8::/32" or one address)",
        [](std::string_view text) -> std::expected<Network, std::string> {
            auto network = Network::parse(text);
            if (!network) return std::unexpected("no IPv4 or IPv6 address, or a bad prefix length");
            return *network;
        },
        [](const Network& network) { return network.to_string(); });
}

}  // namespace posthorn::net
