// The whole configuration as plain values: one struct for each part, each described by its part's own table of keys.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/config.hpp"
#include "base/clock.hpp"
#include "base/config/table.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "control/config.hpp"
#include "delivery/config.hpp"
#include "health/config.hpp"
#include "mta/config.hpp"
#include "net/address.hpp"
#include "net/dns.hpp"
#include "observe/history.hpp"
#include "policy/networks.hpp"
#include "readers/imap/config.hpp"
#include "readers/pop3/config.hpp"
#include "spool/config.hpp"
#include "store/config.hpp"

namespace posthorn::server {

struct ServerSection {
    std::string hostname;  // empty: the machine's FQDN; filled in by finish()
    std::string data_dir = "/var/lib/posthorn";
    std::string spool_dir = "/var/spool/posthorn";
    std::string runtime_dir = "/run/posthorn";
    std::uint32_t threads = 0;
    std::string user;
    std::string group;
    base::Duration shutdown_grace = std::chrono::seconds(30);
    bool operator==(const ServerSection&) const = default;
};

enum class ListenerProtocol : std::uint8_t { smtp, submission, lmtp, imap, pop3 };
constexpr std::string_view name(ListenerProtocol protocol) {  // as the configuration has it
    constexpr std::string_view kNames[] = {"smtp", "submission", "lmtp", "imap", "pop3"};
    return kNames[static_cast<std::size_t>(protocol)];
}

struct ListenerSection {
    ListenerProtocol protocol = ListenerProtocol::smtp;
    mta::ListenerConfig listener;  // of a reader: its address, socket and TLS alone
};

struct TlsSection {
    std::string certificate;
    std::string key;
    bool operator==(const TlsSection&) const = default;
};

enum class LogFormat : std::uint8_t { automatic, json, text };
struct LogSection {
    base::log::Level level = base::log::Level::info;
    LogFormat format = LogFormat::automatic;
    std::map<std::string, std::string> components;  // to the names of levels
    bool operator==(const LogSection&) const = default;
};

struct OtlpSection {
    std::string endpoint;
    std::string api_key;
    base::Duration interval = std::chrono::seconds(60);
};

struct MetricsSection {
    std::uint32_t max_domain_cardinality = 1000;
    std::vector<std::string> high_priority_domains;
    OtlpSection otlp;
};

struct TracesSection {
    std::string endpoint;
    policy::Networks peers;
};

struct Config {
    ServerSection server;
    std::vector<ListenerSection> listeners;
    TlsSection tls;
    mta::SmtpConfig smtp;  // what listeners start from
    mta::SubmissionConfig submission;
    imap::ImapConfig imap;
    pop3::Pop3Config pop3;
    spool::Config spool;
    observe::HistoryConfig history;
    delivery::Config delivery;
    auth::Config auth;
    store::Config store;
    net::DnsConfig dns;
    control::Config control;
    health::Config health;
    LogSection log;
    MetricsSection metrics;
    TracesSection traces;

    std::string path;  // of the file; empty: embedded defaults
};

// What stands in docs/posthorn.toml: the defaults of a system-wide installation.
Config default_config();

// Without a configuration file: everything under the current user's own folders, unprivileged ports, loopback.
Config embedded_config(const std::string& machine = {});

base::config::Table<Config> config_table();

}  // namespace posthorn::server
