// Where mail for a domain goes and under which limits: a table of rules, asked at every attempt, so that a new
// configuration applies to queued mail. Pure; nothing is resolved here.
//
// A rule's pattern is a domain ("example.com"), all names below one ("*.example.com") or "*". The most specific
// rule that sets a key decides it: exact, then the longest "*.", then "*", then the defaults. The ways a message
// can go (mx_override, smarthost, transport) are one key for this purpose: a rule that names one of them hides
// those of wider rules.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "policy/rate.hpp"
#include "policy/tls_policy.hpp"

namespace posthorn::policy {

inline constexpr std::uint16_t kSmtpPort = 25;
inline constexpr std::uint16_t kLmtpPort = 24;
inline constexpr std::string_view kLocalKey = "local mailboxes";  // of the route to all of ours

struct Hop {
    std::string host;  // a name in lower case, or an IP address without brackets
    std::uint16_t port = kSmtpPort;
    std::string to_string() const;  // "host:port", "[::1]:port"
    bool operator==(const Hop&) const = default;
};

// "host", "host:port", "192.0.2.1:25", "[::1]:25".
base::Result<Hop> parse_hop(std::string_view text, std::uint16_t default_port);

enum class Protocol : std::uint8_t { smtp, lmtp, local };

// "smtp", "lmtp:/path", "lmtp:host:port"
struct Transport {
    Protocol protocol = Protocol::smtp;
    std::optional<Hop> hop;  // lmtp over TCP
    std::string unix_path;   // lmtp over a Unix socket
    bool operator==(const Transport&) const = default;
};
base::Result<Transport> parse_transport(std::string_view text);

struct DomainRule {
    std::string pattern;
    std::optional<Hop> mx_override;
    std::optional<Hop> smarthost;
    std::string smarthost_user;
    std::string smarthost_password;
    std::optional<Transport> transport;
    std::optional<TlsPolicy> tls;
    std::optional<bool> accept_invalid_certs;
    std::optional<std::uint32_t> max_connections;
    std::optional<std::uint32_t> max_recipients;  // of one transaction
    std::optional<double> messages_per_second;
    std::optional<std::uint32_t> burst_size;
    bool operator==(const DomainRule&) const = default;
};

struct RoutingConfig {
    TlsPolicy tls = TlsPolicy::may;
    bool accept_invalid_certs = false;
    std::uint32_t max_connections = 10;
    std::uint32_t max_recipients = 100;  // RFC 5321 §4.5.3.1.8: every server takes as many
    Rate rate{10.0, 20};
    std::vector<DomainRule> rules;
    bool operator==(const RoutingConfig&) const = default;
};

// The answer. Everything under one `key` shares a destination: its queue, bucket and connections.
struct Route {
    enum class Via : std::uint8_t {
        mx,           // resolve the domain's MX, else its addresses
        host,         // the addresses of `hop` alone
        unix_socket,  // `unix_path`
        store,        // it stays here
    };
    std::string key;     // the domain; for a smarthost "smarthost <host:port> <pattern>"
    std::string domain;  // what was asked; of a smarthost's route the first that was
    Via via = Via::mx;
    Protocol protocol = Protocol::smtp;
    Hop hop;
    std::string unix_path;
    bool smarthost = false;
    std::string user;
    std::string password;
    TlsPolicy tls = TlsPolicy::may;
    bool accept_invalid_certs = false;
    std::uint32_t max_connections = 1;
    std::uint32_t max_recipients = 100;
    Rate rate;
    bool operator==(const Route&) const = default;
    std::string next_hop() const;  // "mx of example.com", "relay.example.com:25", "unix:/path"
};

// Immutable once made; shared by all loops.
class RoutingTable {
public:
    explicit RoutingTable(RoutingConfig config);

    // `domain` is a domain_key() (mail/address.hpp), or an address literal. Of a `local` one mail goes into the store,
    // unless a rule for this very domain names another way.
    Route route(std::string_view domain, bool local = false) const;
    // The same with its reasons, one line each, for the operator.
    std::vector<std::string> explain(std::string_view domain, bool local = false) const;
    const RoutingConfig& config() const { return config_; }

private:
    // Most specific first.
    std::vector<const DomainRule*> matching(std::string_view domain) const;
    bool stays(std::string_view domain, bool local) const;

    RoutingConfig config_;
    std::map<std::string, const DomainRule*, std::less<>> by_pattern_;
};

}  // namespace posthorn::policy
