#include "readers/imap/config_table.hpp"

#include "net/config_codecs.hpp"

namespace posthorn::imap {
namespace {

using namespace base::config;
using namespace std::chrono_literals;

constexpr std::uint32_t kMany = 1'000'000;

}  // namespace

Table<ImapConfig> imap_config_table() {
    using C = ImapConfig;
    const auto wait = duration({1s, 24h});
    return Table<C>("Reading mail by IMAP (listeners with protocol = \"imap\").")
        .key("max_connections", &C::max_connections, integer<std::uint32_t>({1, kMany}), "Sessions in all.")
        .key("max_connections_per_client", &C::max_connections_per_client, integer<std::uint32_t>({1, kMany}),
             "Sessions of one client address; an IPv6 client is its /64.")
        .key("max_errors", &C::max_errors, integer<std::uint32_t>({1, kMany}),
             "Commands in a row that are none, after which a session is ended.")
        .key("max_logins", &C::max_logins, integer<std::uint32_t>({1, 1000}),
             "Failed logins after which a session is ended.")
        .key("append_limit", &C::append_limit, size<std::uint64_t>({1024, UINT64_MAX}),
             "The largest message a client may store.")
        .key("plaintext_auth_networks", &C::plaintext_auth_networks, list(net::network_codec()),
             "Clients that may send passwords without TLS.")
        .key("login", &C::login, wait, "How long a client may take for a command before it has logged in.")
        .key("idle", &C::idle, wait, "And after that, and in IDLE; RFC 9051 asks for thirty minutes.")
        .key("command", &C::command, wait, "How long it may take for the rest of a command that has begun.")
        .key("write", &C::write, wait, "How long it may take to accept a piece of a response.");
}

}  // namespace posthorn::imap
