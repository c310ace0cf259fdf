#include "delivery/config_table.hpp"

#include "mail/address.hpp"

namespace posthorn::delivery {
namespace {

using namespace base::config;
using namespace std::chrono_literals;
using policy::DomainRule;
using policy::Hop;
using policy::TlsPolicy;
using policy::Transport;

// "" is "none", so that a key can stand in the file without meaning anything.
template <class V>
Codec<std::optional<V>> or_empty(const std::string& type, base::Result<V> (*parse)(std::string_view),
                                 std::string (*print)(const V&)) {
    return parsed<std::optional<V>>(
        type,
        [parse](std::string_view text) -> std::expected<std::optional<V>, std::string> {
            if (text.empty()) return std::nullopt;
            auto value = parse(text);
            if (!value) return std::unexpected(value.error().log_text);
            return *std::move(value);
        },
        [print](const std::optional<V>& value) { return value ? print(*value) : std::string{}; });
}

Codec<std::optional<Hop>> hop() {
    return or_empty<Hop>(
        R"(a next hop such as "relay.example.org:25" or "[::1]:1025" ("" is none))",
        [](std::string_view text) { return policy::parse_hop(text, policy::kSmtpPort); },
        [](const Hop& h) { return h.to_string(); });
}

std::string transport_text(const Transport& transport) {
    if (transport.protocol == policy::Protocol::smtp) return "smtp";
    return "lmtp:" + (transport.hop ? transport.hop->to_string() : transport.unix_path);
}

Codec<std::optional<Transport>> transport() {
    return or_empty<Transport>(R"("smtp", "lmtp:/path" or "lmtp:host:port" ("" is smtp))", &policy::parse_transport,
                               &transport_text);
}

Codec<TlsPolicy> tls() {
    return choice<TlsPolicy>({{"none", TlsPolicy::none},
                              {"may", TlsPolicy::may},
                              {"require", TlsPolicy::require},
                              {"verify", TlsPolicy::verify}});
}

Codec<double> rate() { return number({0.0, 1'000'000.0}); }
Codec<std::uint32_t> burst() { return integer<std::uint32_t>({1, 1'000'000}); }
Codec<std::uint32_t> connections() { return integer<std::uint32_t>({1, 1000}); }
Codec<std::uint32_t> recipients() { return integer<std::uint32_t>({1, 50'000}); }

Table<StepTimeouts> timeouts_table() {
    const auto wait = duration({1s, 1h});
    return Table<StepTimeouts>("How long each step of an outgoing transaction may take.", Applies::at_reload)
        .key("connect", &StepTimeouts::connect, wait, "For the connection, and again for the greeting.")
        .key("ehlo", &StepTimeouts::ehlo, wait, "For the reply to EHLO.")
        .key("starttls", &StepTimeouts::starttls, wait, "For STARTTLS and the handshake.")
        .key("mail_from", &StepTimeouts::mail_from, wait, "For the reply to MAIL.")
        .key("rcpt_to", &StepTimeouts::rcpt_to, wait, "For the reply to RCPT.")
        .key("data", &StepTimeouts::data, wait, "For each block of the message; its final reply may take 10m.")
        .key("quit", &StepTimeouts::quit, wait, "For the reply to QUIT; its failure changes nothing.");
}

Table<LocalConfig> local_table() {
    return Table<LocalConfig>("Mail for accounts of ours.", Applies::at_reload)
        .key("parallel", &LocalConfig::parallel, integer<std::uint32_t>({1, 10'000}),
             "Deliveries and questions to the directory at once, on each thread.")
        .key(
            "over_quota", &LocalConfig::bounce_over_quota, choice<bool>({{"defer", false}, {"bounce", true}}),
            "A full mailbox, when mail for it comes in and when it is delivered: \"defer\" (452 4.2.2, tried again "
            "until the message is too old) or \"bounce\" (552 5.2.2, at once).")
        .key("alias_sender", &LocalConfig::owner_sends, choice<bool>({{"original", false}, {"owner", true}}),
             "From whom mail goes on from an alias to other servers: the \"original\" reverse-path, or the alias's "
             "\"owner\" where owner-ALIAS is an address of ours.")
        .key("sub_address", &LocalConfig::tag_mailboxes, choice<bool>({{"inbox", false}, {"mailbox", true}}),
             "Mail for user+tag: into \"inbox\", or into the \"mailbox\" of that name where there is one.");
}

Table<policy::Rate> global_rate_table() {
    return Table<policy::Rate>("How fast mail goes to one destination. A token is one MAIL transaction.",
                               Applies::at_reload)
        .key("messages_per_second", &policy::Rate::per_second, rate(),
             "Tokens a second; fractions count; 0: no limit.")
        .key("burst_size", &policy::Rate::burst, burst(), "Tokens a full bucket holds.");
}

Table<DomainRule> domain_rate_table() {
    return Table<DomainRule>("The rate limit of this domain.", Applies::at_reload)
        .key("messages_per_second", &DomainRule::messages_per_second, optional(rate()),
             "As in [delivery.rate_limit].")
        .key("burst_size", &DomainRule::burst_size, optional(burst()), "As in [delivery.rate_limit].");
}

bool good_pattern(std::string_view pattern) {
    if (pattern == "*") return true;
    if (pattern.starts_with("*.")) pattern.remove_prefix(2);
    return !mail::domain_key(pattern).empty();
}

Table<DomainRule> domain_table() {
    return Table<DomainRule>(
               "What differs for one domain, for all names below one (\"*.example.com\") or for all (\"*\"). The "
               "most "
               "specific entry that sets a key decides it.",
               Applies::at_reload)
        .key("mx_override", &DomainRule::mx_override, hop(), "Goes there instead of where its MX records say.")
        .key("smarthost", &DomainRule::smarthost, hop(), "Goes through this relay.")
        .key("smarthost_user", &DomainRule::smarthost_user, text(), "Name for the smarthost; empty: no login.")
        .key("smarthost_password", &DomainRule::smarthost_password, secret_text(), "Password for the smarthost.")
        .key("transport", &DomainRule::transport, transport(), "How it is handed over.")
        .key("tls", &DomainRule::tls, optional(tls()), "Encryption towards it: see [delivery] tls.")
        .key("accept_invalid_certs", &DomainRule::accept_invalid_certs, optional(flag()),
             "With tls = \"verify\": a bad certificate is only warned about.")
        .key("max_connections", &DomainRule::max_connections, optional(connections()), "Connections side by side.")
        .key("max_recipients", &DomainRule::max_recipients, optional(recipients()),
             "Recipients of one transaction.")
        .section(
            "rate_limit", [](DomainRule& r) -> auto& { return r; }, domain_rate_table())
        .check([](const DomainRule& rule, const Report& report) {
            if (!good_pattern(rule.pattern)) report("", R"(is neither a domain, nor "*.domain", nor "*")");
            const bool lmtp = rule.transport && rule.transport->protocol == policy::Protocol::lmtp;
            if (rule.mx_override && rule.smarthost) report("smarthost", "excludes mx_override: give one of them");
            if (lmtp && (rule.mx_override || rule.smarthost))
                report("transport", "is LMTP, which excludes mx_override and smarthost");
            if (!rule.smarthost_user.empty() && !rule.smarthost) report("smarthost_user", "needs a smarthost");
            if (rule.smarthost_user.empty() != rule.smarthost_password.empty())
                report("smarthost_password", "and smarthost_user go together");
        });
}

void check_retries(const Config& config, const Report& report) {
    if (config.retry.min > config.retry.max) report("retry_min", "is more than retry_max");
    if (config.retry.max > config.retry.max_age) report("retry_max", "is more than max_age");
}

}  // namespace

Table<Config> config_table() {
    return Table<Config>("Sending mail on.", Applies::at_reload)
        .key(
            "max_attempts", [](Config& c) -> auto& { return c.retry.max_attempts; },
            integer<std::uint32_t>({1, 1000}), "Attempts before a recipient is given up.")
        .key(
            "max_age", [](Config& c) -> auto& { return c.retry.max_age; }, duration({1s, 24h * 60}),
            "Age at which a recipient is given up, whichever comes first.")
        .key(
            "retry_min", [](Config& c) -> auto& { return c.retry.min; }, duration({1ms, 24h}),
            "Pause after the first failed attempt; it doubles each time.")
        .key(
            "retry_max", [](Config& c) -> auto& { return c.retry.max; }, duration({1ms, 24h * 7}), "Longest pause.")
        .key(
            "delay_warning", [](Config& c) -> auto& { return c.dsn.delay_warning; }, duration(),
            "Age at which the sender is told that a message waits; 0: never.")
        .key("eight_bit", &Config::bounce_eight_bit, choice<bool>({{"send", false}, {"bounce", true}}),
             "8-bit mail for a next hop without 8BITMIME.")
        .key(
            "tls", [](Config& c) -> auto& { return c.routing.tls; }, tls(),
            "Encryption: \"none\", \"may\" (when offered, unverified), \"require\" (always, unverified), "
            "\"verify\" "
            "(always, certificate and name checked).")
        .key(
            "accept_invalid_certs", [](Config& c) -> auto& { return c.routing.accept_invalid_certs; }, flag(),
            "With tls = \"verify\": a bad certificate is only warned about.")
        .key(
            "max_connections", [](Config& c) -> auto& { return c.routing.max_connections; }, connections(),
            "Connections to one destination side by side.")
        .key(
            "max_recipients", [](Config& c) -> auto& { return c.routing.max_recipients; }, recipients(),
            "Recipients of one transaction.")
        .key("connection_idle", &Config::connection_idle, duration({0s, 1h}),
             "How long an idle connection is kept for the next message.")
        .key("connection_transactions", &Config::connection_transactions, integer<std::uint32_t>({1, 1'000'000}),
             "Transactions after which a connection is renewed.")
        .key("scan_interval", &Config::scan_interval, duration({0s, 24h}),
             "How often it is looked whether the queue holds mail that nobody delivers; 0: never.")
        .section("local", &Config::local, local_table())
        .section("timeouts", &Config::timeouts, timeouts_table())
        .section(
            "rate_limit", [](Config& c) -> auto& { return c.routing.rate; }, global_rate_table())
        .entries(
            "domains", [](Config& c) -> auto& { return c.routing.rules; }, &DomainRule::pattern, domain_table(),
            "test.example.com")
        .check(check_retries);
}

Table<Config> dsn_config_table() {
    return Table<Config>("What senders are told about mail that was not delivered.", Applies::at_reload)
        .key(
            "enabled", [](Config& c) -> auto& { return c.dsn.enabled; }, flag(), "Whether they are told at all.")
        .key(
            "reporting_mta", [](Config& c) -> auto& { return c.dsn.reporting_mta; }, text(),
            "The host that reports; empty: server.hostname.")
        .key(
            "postmaster", [](Config& c) -> auto& { return c.dsn.postmaster; }, text(),
            "Where people may ask; empty: postmaster at the reporting host.")
        .check([](const Config& config, const Report& report) {
            if (!config.dsn.reporting_mta.empty() && !mail::valid_domain(config.dsn.reporting_mta))
                report("reporting_mta", "is not a host name");
            if (!config.dsn.postmaster.empty() && !mail::parse_address(config.dsn.postmaster))
                report("postmaster", "is not a mail address");
        });
}

}  // namespace posthorn::delivery
