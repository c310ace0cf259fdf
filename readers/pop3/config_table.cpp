#include "readers/pop3/config_table.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "net/config_codecs.hpp"

namespace posthorn::pop3 {
namespace {

using namespace base::config;
using namespace std::chrono_literals;

constexpr std::uint32_t kMany = 1'000'000;

}  // namespace

Table<Pop3Config> pop3_config_table() {
    using C = Pop3Config;
    const auto wait = duration({1s, 24h});
    return Table<C>("Reading mail by POP3 (listeners with protocol = \"pop3\").")
        .key("max_connections", &C::max_connections, integer<std::uint32_t>({1, kMany}), "Sessions in all.")
        .key("max_connections_per_client", &C::max_connections_per_client, integer<std::uint32_t>({1, kMany}),
             "Sessions of one client address; an IPv6 client is its /64.")
        .key("max_errors", &C::max_errors, integer<std::uint32_t>({1, kMany}),
             "Commands that are none, after which a session is ended.")
        .key("max_logins", &C::max_logins, integer<std::uint32_t>({1, 1000}),
             "Failed logins after which a session is ended.")
        .key("plaintext_auth_networks", &C::plaintext_auth_networks, list(net::network_codec()),
             "Clients that may send passwords without TLS.")
        .key("login_delay", &C::login_delay, integer<std::uint32_t>({0, 86'400}),
             "Seconds between two sessions of one account; 0: none.")
        .key("expire", &C::expire, text(), "How long mail is kept, as CAPA tells it: NEVER, or days.")
        .key("mark_seen", &C::mark_seen, flag(), "Whether what was retrieved is marked as seen for IMAP.")
        .key("login", &C::login, wait, "How long a client may take for a command before it has logged in.")
        .key("idle", &C::idle, wait, "And after that; RFC 1939 asks for ten minutes.")
        .key("write", &C::write, wait, "How long it may take to accept a piece of a reply.")
        .check([](const C& config, const Report& report) {
            const bool days = !config.expire.empty() &&
                              std::ranges::all_of(config.expire, [](char c) { return base::is_digit(c); });
            if (config.expire != "NEVER" && !days) report("expire", R"(is neither "NEVER" nor a number of days)");
        });
}

}  // namespace posthorn::pop3
