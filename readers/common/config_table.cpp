#include "readers/common/config_table.hpp"

#include "net/config_codecs.hpp"

namespace posthorn::readers {

using namespace base::config;
using namespace std::chrono_literals;

Table<Limits> limits_table(const std::string& errors, const std::string& idle) {
    using L = Limits;
    constexpr std::uint32_t kMany = 1'000'000;
    const auto wait = duration({1s, 24h});
    return Table<L>("", Applies::at_reload)
        .key("max_connections", &L::max_connections, integer<std::uint32_t>({1, kMany}), "Sessions in all.")
        .key("max_connections_per_client", &L::max_connections_per_client, integer<std::uint32_t>({1, kMany}),
             "Sessions of one client address; an IPv6 client is its /64.")
        .key("max_strangers_per_client", &L::max_strangers_per_client, integer<std::uint32_t>({1, kMany}),
             "And of these, those that have not logged in.")
        .key("max_errors", &L::max_errors, integer<std::uint32_t>({1, kMany}),
             errors + ", after which a session is ended.")
        .key("max_logins", &L::max_logins, integer<std::uint32_t>({1, 1000}),
             "Failed logins after which a session is ended.")
        .key("plaintext_auth_networks", &L::plaintext_auth_networks, list(net::network_codec()),
             "Clients that may send passwords without TLS.")
        .key("login", &L::login, wait, "How long a client may take for a command before it has logged in.")
        .key("idle", &L::idle, wait, "And after that; " + idle)
        .key("write", &L::write, wait, "How long it may take to accept a piece of what we say.")
        .key("before_login", &L::before_login, wait, "How long a connection may last without a login.");
}

}  // namespace posthorn::readers
