// What delivery is told by the configuration: plain values, replaced whole on reload.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "delivery/step_timeouts.hpp"
#include "net/address.hpp"
#include "net/tls.hpp"
#include "policy/backoff.hpp"
#include "policy/networks.hpp"
#include "policy/routing.hpp"

namespace posthorn::delivery {

struct DsnConfig {
    bool enabled = true;
    std::string reporting_mta;                             // a host name
    std::string postmaster;                                // where humans may ask; part of the text
    base::Duration delay_warning = std::chrono::hours(4);  // 0: none
};

// Mail for accounts of ours.
struct LocalConfig {
    std::uint32_t parallel = 64;     // deliveries and questions to the directory at once, on each loop
    bool bounce_over_quota = false;  // a full mailbox: 552 at once; else 452, again and again until it is too old
    bool owner_sends = false;        // what goes on from an alias has owner-ALIAS@ as its reverse-path
    bool tag_mailboxes = false;      // user+tag@ goes to the mailbox "tag" where there is one
    bool operator==(const LocalConfig&) const = default;
};

struct Config {
    std::string hostname;   // our EHLO name
    std::string state_dir;  // where what is frozen is kept; exists and is ours
    policy::RoutingConfig routing;
    policy::RetryPolicy retry;
    DsnConfig dsn;
    StepTimeouts timeouts;
    LocalConfig local;
    bool bounce_eight_bit = false;  // next hop without 8BITMIME: false sends it all the same
    base::Duration connection_idle = std::chrono::seconds(10);  // then QUIT
    std::uint32_t connection_transactions = 1000;               // then QUIT
    base::Duration scan_interval = std::chrono::minutes(5);     // of the safety net; 0: none

    // Ourselves, for loop detection: names MX records may call us by, every endpoint we listen on, and this machine's
    // addresses (each counts as listening where a wildcard address does; loopback always does).
    std::vector<std::string> own_names;
    std::vector<net::Endpoint> own_endpoints;
    std::vector<net::IpAddress> own_addresses;

    policy::Networks trace_peers;  // our own nodes: are told which trace a message belongs to

    std::shared_ptr<const net::TlsClientContext> tls_unverified;
    std::shared_ptr<const net::TlsClientContext> tls_verifying;
};

}  // namespace posthorn::delivery
