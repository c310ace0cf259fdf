// The tables of keys put together: the one list of all there is to configure.
#include "control/config_table.hpp"
#include "delivery/config_table.hpp"
#include "health/config_table.hpp"
#include "mail/address.hpp"
#include "mta/config_table.hpp"
#include "net/config_codecs.hpp"
#include "net/http_client.hpp"
#include "readers/imap/config_table.hpp"
#include "readers/pop3/config_table.hpp"
#include "server/config/config.hpp"

namespace posthorn::server {
namespace {

using namespace base::config;
using namespace std::chrono_literals;

Codec<std::string> absolute_path() {
    return parsed<std::string>(
        "an absolute path",
        [](std::string_view given) -> std::expected<std::string, std::string> {
            if (!given.starts_with('/')) return std::unexpected("it does not begin with /");
            return std::string(given);
        },
        [](const std::string& path) { return path; });
}

Table<ServerSection> server_table() {
    return Table<ServerSection>("The server as a whole.")
        .key("hostname", &ServerSection::hostname, text(), "Our name in greetings; empty: the machine's FQDN.",
             Applies::at_reload)
        .key("data_dir", &ServerSection::data_dir, absolute_path(),
             "What is ours for long: certificates, mailboxes.")
        .key("spool_dir", &ServerSection::spool_dir, absolute_path(),
             "Mail on its way; on a filesystem that survives a crash.")
        .key("runtime_dir", &ServerSection::runtime_dir, absolute_path(), "Sockets and the PID file.")
        .key("threads", &ServerSection::threads, integer<std::uint32_t>({0, 256}), "Event loops; 0: one per core.")
        .key("user", &ServerSection::user, text(),
             "User to become once all listeners are bound (when started as root); empty: stay.")
        .key("group", &ServerSection::group, text(), "Group to become; empty: the user's own.")
        .key("shutdown_grace", &ServerSection::shutdown_grace, duration({0s, 10min}),
             "At the end: how long deliveries and sessions under way may take.", Applies::at_reload)
        .check([](const ServerSection& section, const Report& report) {
            if (!section.hostname.empty() && !mail::valid_domain(section.hostname))
                report("hostname", "is not a host name");
            if (section.user.empty() && !section.group.empty()) report("group", "needs server.user");
        });
}

Table<ListenerSection> listener_table() {
    using L = ListenerSection;
    return Table<L>("A door: where we listen, and for what. As many as wanted.", Applies::at_reload)
        .key("protocol", &L::protocol,
             choice<ListenerProtocol>({{"smtp", ListenerProtocol::smtp},
                                       {"submission", ListenerProtocol::submission},
                                       {"lmtp", ListenerProtocol::lmtp},
                                       {"imap", ListenerProtocol::imap},
                                       {"pop3", ListenerProtocol::pop3}}),
             "What is spoken: smtp with other servers, submission with our own users (AUTH is required), lmtp with "
             "who hands over mail for our own accounts, imap and pop3 with users who read theirs.")
        .key(
            "address", [](L& l) -> auto& { return l.listener.address; }, net::endpoint_codec(),
            "Where; \"[::]\" is IPv6 and IPv4; port 0: one the system picks (told in listeners.json in "
            "runtime_dir).")
        .key(
            "mode", [](L& l) -> auto& { return l.listener.unix_mode; }, base::config::mode(),
            "Permissions of a Unix socket.", Applies::at_start)
        .key(
            "group", [](L& l) -> auto& { return l.listener.unix_group; }, text(),
            "Group of a Unix socket; empty: our own.", Applies::at_start)
        .key(
            "tls", [](L& l) -> auto& { return l.listener.tls; },
            choice<net::ListenerTls>({{"none", net::ListenerTls::none},
                                      {"starttls", net::ListenerTls::starttls},
                                      {"implicit", net::ListenerTls::implicit}}),
            "Encryption: none, offered (STARTTLS), or from the first byte.")
        .key(
            "context", [](L& l) -> auto& { return l.listener.context; }, text_map(), "Handed to plugins and logs.")
        .overrides([](L& l) -> auto& { return l.listener.smtp; }, mta::smtp_config_table(), "smtp")
        .check([](const L& l, const Report& report) {
            if (l.listener.address == net::Endpoint{}) report("address", "is missing");
        });
}

// What the bodies of all sessions may take is the spool's to keep, but a receiving limit to people.
Table<Config> smtp_table() {
    auto smtp = mta::smtp_config_table();
    return Table<Config>(smtp.text())
        .include(&Config::smtp, smtp)
        .key(
            "memory_budget", [](Config& c) -> auto& { return c.spool.memory_budget; },
            size<std::uint64_t>({std::uint64_t{1} << 20U, std::uint64_t{1} << 40U}),
            "Memory for the bodies of all sessions; beyond it they go to the disk at once.");
}

Table<TlsSection> tls_table() {
    return Table<TlsSection>(
               "Our certificate. Read again on SIGHUP. Without one, a self-signed one is made at the first "
               "start (data_dir/tls).",
               Applies::at_reload)
        .key("certificate", &TlsSection::certificate, text(), "PEM file with our certificate and its chain.")
        .key("key", &TlsSection::key, text(), "PEM file with its private key.")
        .check([](const TlsSection& tls, const Report& report) {
            if (tls.certificate.empty() && !tls.key.empty()) report("key", "is given without tls.certificate");
            if (tls.key.empty() && !tls.certificate.empty()) report("certificate", "is given without tls.key");
        });
}

Codec<std::string> name_server() {
    return parsed<std::string>(
        R"("ip", "ip:port" or "[v6]:port")",
        [](std::string_view given) -> std::expected<std::string, std::string> {
            const auto at = net::parse_host_port(given, 53);
            if (!at) return std::unexpected(at.error().log_text);
            if (!net::IpAddress::parse(at->host)) return std::unexpected("it is no address");
            return std::string(given);
        },
        [](const std::string& server) { return server; });
}

Table<net::DnsConfig> dns_table() {
    using net::DnsConfig;
    return Table<DnsConfig>("Name resolution.")
        .key("servers", &DnsConfig::servers, list(name_server()), "Name servers; empty: the system's.")
        .key("timeout", &DnsConfig::timeout, duration({100ms, 1min}),
             "For a first try; each further round of all servers takes twice as long.")
        .key("tries", &DnsConfig::tries, integer<int>({1, 10}),
             "Tries of each server before a question has timed out.")
        .key("cache_entries", &DnsConfig::cache_entries, integer<std::size_t>({0, 10'000'000}), "Answers kept.")
        .key("max_ttl", &DnsConfig::max_ttl, duration({0s, 24h * 7}), "Longest time an answer is kept.")
        .key("max_negative_ttl", &DnsConfig::max_negative_ttl, duration({0s, 24h}),
             "Longest time \"there is none\" is kept.");
}

Table<LogSection> log_table() {
    using base::log::Level;
    return Table<LogSection>("The log: lines on standard error.", Applies::at_reload)
        .key("level", &LogSection::level,
             choice<Level>({{"debug", Level::debug},
                            {"info", Level::info},
                            {"notice", Level::notice},
                            {"warning", Level::warning},
                            {"error", Level::error}}),
             "Least important lines that are written.")
        .key("format", &LogSection::format,
             choice<LogFormat>(
                 {{"auto", LogFormat::automatic}, {"json", LogFormat::json}, {"text", LogFormat::text}}),
             "Form of a line; auto: text on a terminal, JSON elsewhere.")
        .key("components", &LogSection::components, text_map(),
             "Levels of single components, such as { delivery = \"debug\" }; POSTHORN_LOG goes before all levels.")
        .check([](const LogSection& log, const Report& report) {
            for (const auto& [component, level] : log.components) {
                if (!base::log::parse_level(level))
                    report("components",
                           fmt::format("{} has the level \"{}\", which there is not", component, level));
            }
        });
}

Codec<std::string> collector() {
    return parsed<std::string>(
        "an http:// or https:// URL",
        [](std::string_view given) -> std::expected<std::string, std::string> {
            if (!given.empty() && !net::HttpUrl::parse(given)) return std::unexpected("it is no such URL");
            return std::string(given);
        },
        [](const std::string& url) { return url; });
}

Table<OtlpSection> otlp_table() {
    return Table<OtlpSection>("The same figures pushed to a collector.")
        .key("endpoint", &OtlpSection::endpoint, collector(),
             "Its base URL (OTLP/HTTP; /v1/metrics is appended); empty: none.")
        .key("api_key", &OtlpSection::api_key, secret_text(), "Sent as a bearer token; empty: none.")
        .key("interval", &OtlpSection::interval, duration({1s, 1h}), "Between two pushes.");
}

Table<MetricsSection> metrics_table() {
    return Table<MetricsSection>("Figures (at /metrics of the health listener).")
        .key("max_domain_cardinality", &MetricsSection::max_domain_cardinality,
             integer<std::uint32_t>({1, 1'000'000}),
             "Domains kept apart per metric; what comes beyond counts as \"other\".")
        .key("high_priority_domains", &MetricsSection::high_priority_domains, list(text()),
             "Domains that are always kept apart.")
        .section("otlp", &MetricsSection::otlp, otlp_table());
}

Table<TracesSection> traces_table() {
    return Table<TracesSection>(
               "Traces of messages. OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG are obeyed.")
        .key("endpoint", &TracesSection::endpoint, collector(),
             "A collector's base URL (OTLP/HTTP; /v1/traces is appended); empty: OTEL_EXPORTER_OTLP_ENDPOINT, or "
             "none.")
        .key("peers", &TracesSection::peers, list(net::network_codec()),
             "Our own nodes: are told a message's trace, and believed.", Applies::at_reload);
}

// Two listeners on one address: the second bind would fail with a less helpful message.
void check_listeners(const Config& config, const Report& report) {
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        const auto& a = config.listeners[i].listener.address;
        if (a.unix_path.empty() && a.port == 0) continue;
        for (std::size_t j = 0; j < i; ++j) {
            if (config.listeners[j].listener.address == a)
                report("listener",
                       fmt::format("entries {} and {} share the address {}", j + 1, i + 1, a.to_string()));
        }
        if (config.health.enabled && config.health.listen_address == a)
            report("listener", fmt::format("entry {} has the address of health.listen_address", i + 1));
    }
}

}  // namespace

Table<Config> config_table() {
    return Table<Config>("")
        .section("server", &Config::server, server_table())
        .section("tls", &Config::tls, tls_table())
        .section(
            "smtp", [](Config& c) -> auto& { return c; }, smtp_table())
        .tables("listener", &Config::listeners, listener_table(),
                [](const Config& c) { return ListenerSection{.listener = {.smtp = c.smtp}}; })
        .section("submission", &Config::submission, mta::submission_config_table())
        .section("imap", &Config::imap, imap::imap_config_table())
        .section("pop3", &Config::pop3, pop3::pop3_config_table())
        .section("spool", &Config::spool, spool::config_table())
        .section("history", &Config::history, observe::history_config_table())
        .section("delivery", &Config::delivery, delivery::config_table())
        .section("dsn", &Config::delivery, delivery::dsn_config_table())
        .section("auth", &Config::auth, auth::config_table())
        .section("store", &Config::store, store::config_table())
        .section("dns", &Config::dns, dns_table())
        .section("control", &Config::control, control::config_table())
        .section("health", &Config::health, health::config_table())
        .section("log", &Config::log, log_table())
        .section("metrics", &Config::metrics, metrics_table())
        .section("traces", &Config::traces, traces_table())
        .check(check_listeners);
}

}  // namespace posthorn::server
