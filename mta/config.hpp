// What receiving is told by the configuration: plain values, replaced whole on reload; live sessions keep theirs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "net/doors.hpp"
#include "net/tls.hpp"
#include "observe/sampler.hpp"
#include "policy/networks.hpp"
#include "proto/smtp/text_decoder.hpp"

namespace posthorn::mta {

// [smtp.timeouts]; RFC 5321 §4.5.3.2.
struct SmtpTimeouts {
    base::Duration command = std::chrono::minutes(5);            // a whole command line; a write of replies
    base::Duration data_init = std::chrono::minutes(2);          // from 354 to the first octets
    base::Duration data_block = std::chrono::minutes(3);         // between blocks of 1 KiB
    base::Duration data_termination = std::chrono::minutes(10);  // writing the reply to a whole message
    base::Duration connection = std::chrono::minutes(30);        // the session, all in all
};

// What a recipient without room is answered: 452 4.2.2, or 552 5.2.2.
enum class OverQuota : std::uint8_t { defer, reject };

// [smtp]; a listener may override each key. Sizes in octets.
struct SmtpConfig {
    std::uint64_t max_message_size = std::uint64_t{50} << 20;  // 0: none
    std::uint32_t max_recipients = 1000;                       // a message
    std::uint32_t max_messages = 0;                            // a session; 0: none
    std::uint32_t max_connections = 10'000;                    // of all listeners
    std::uint32_t max_connections_per_client = 100;            // IPv6 by /64
    std::uint32_t max_errors = 20;                             // 5xx replies since the last accepted message
    std::uint32_t max_hops = 100;                              // Received fields: more is a loop
    std::uint64_t max_command_line = 2048;                     // with CRLF; at most 4096
    std::uint64_t max_text_line = 1000;                        // with CRLF
    bool auth = false;                                         // AUTH is offered: protocol = "smtp"
    std::uint32_t max_auth_failures = 3;                       // a session
    policy::Networks plaintext_auth_networks;                  // may show passwords without TLS
    OverQuota over_quota = OverQuota::defer;
    bool strict_8bit = false;  // refuse undeclared 8-bit text
    smtp::BareNewline bare_newline = smtp::BareNewline::reject;
    policy::Networks xclient_networks;
    policy::Networks proxy_networks;
    policy::Networks relay_networks = policy::loopback_networks();
    std::vector<std::string> relay_domains;  // "example.org", "*.example.org", "*"
    SmtpTimeouts timeouts;
};

enum class Protocol : std::uint8_t { smtp, submission, lmtp };
std::string_view name(Protocol protocol);

// [submission]: what our own users may send, wherever they log in.
struct SubmissionConfig {
    bool sender_ownership = true;                       // MAIL FROM is the account's own
    base::Duration max_hold = std::chrono::hours(168);  // FUTURERELEASE; 0: not offered
    std::uint32_t messages_per_hour = 500;              // an account; 0: no limit
    std::uint32_t recipients_per_day = 5000;            // an account; 0: no limit
    std::uint32_t max_accounts = 100'000;               // whose sending is counted at a time
    bool operator==(const SubmissionConfig&) const = default;
};

// [[listener]] with one of our protocols.
struct ListenerConfig : net::DoorConfig {
    Protocol protocol = Protocol::smtp;
    std::map<std::string, std::string> context;  // handed to plugins and logs with each message
    SmtpConfig smtp;
};

struct Config {
    std::string hostname;    // what we call ourselves
    std::string postmaster;  // who gets mail to "<postmaster>" without a domain; empty: it is refused
    std::vector<ListenerConfig> listeners;
    SubmissionConfig submission;
    std::shared_ptr<const net::TlsServerContext> tls;  // null: no listener has TLS
    std::optional<observe::Sampler> sampler;           // nothing: no message is traced
    policy::Networks trace_peers;                      // our own nodes: their traces go on here
};

}  // namespace posthorn::mta
