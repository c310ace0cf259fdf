#include "auth/config.hpp"

#include <algorithm>

#include "mail/address.hpp"
#include "net/http_client.hpp"

namespace posthorn::auth {
namespace {

using namespace base::config;
using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

Codec<BackendKind> backend() {
    std::vector<std::pair<std::string, BackendKind>> names;
    for (const auto kind : {BackendKind::embedded, BackendKind::file, BackendKind::sql, BackendKind::ldap})
        names.emplace_back(name(kind), kind);
    return choice<BackendKind>(std::move(names));
}

Table<FileConfig> file_table() {
    return Table<FileConfig>("Accounts and aliases in a file of lines, as passwd(5) is one: see docs/accounts.md.")
        .key("path", &FileConfig::path, text(), "The file; read again when it changes.");
}

Codec<std::string> domain() {
    return parsed<std::string>(
        "a domain",
        [](std::string_view given) -> std::expected<std::string, std::string> {
            auto key = mail::domain_key(given);
            if (key.empty() || key.starts_with('[')) return std::unexpected("it is no name");
            return key;
        },
        [](const std::string& key) { return key; });
}

Codec<std::string> url() {
    return parsed<std::string>(
        "an http:// or https:// URL",
        [](std::string_view given) -> std::expected<std::string, std::string> {
            if (!given.empty() && !net::HttpUrl::parse(given)) return std::unexpected("it is no such URL");
            return std::string(given);
        },
        [](const std::string& given) { return given; });
}

constexpr auto kDomains = "Domains whose accounts stand there: they stay ours while the server is down.";

Table<SqlConfig> sql_table() {
    using C = SqlConfig;
    return Table<C>("Accounts in an SQL database of somebody's.")
        .key("engine", &C::engine,
             choice<SqlEngine>({{"sqlite", SqlEngine::sqlite},
                                {"postgresql", SqlEngine::postgresql},
                                {"mariadb", SqlEngine::mariadb}}),
             "What it is; mariadb is MySQL, too.")
        .key("host", &C::host, text(), "Its host; a path: its Unix socket (postgresql: the folder).")
        .key("port", &C::port, integer<std::uint16_t>(), "Its port; 0: the usual one.")
        .key("database", &C::database, text(), "Its name; of sqlite the file, which is only read.")
        .key("user", &C::user, text(), "Who we are there.")
        .key("password", &C::password, secret_text(), "The password of that user.")
        .key("verify_tls", &C::verify_tls, flag(), "Only over TLS, with a certificate for that host.")
        .key("domains", &C::domains, list(domain()), kDomains)
        .key("account_query", &C::account_query, text(),
             "One row for an account; parameters :local, :domain, :address; columns by name: password (a hash), "
             "name, "
             "disabled, quota (octets), max_messages, messages_per_hour, recipients_per_day, max_message_size.")
        .key("alias_query", &C::alias_query, text(),
             "A row with an address for each target; :local is empty for the catch-all; empty: no aliases.")
        .key("scram", &C::scram, flag(), "The account query also gives scram_sha_1 and scram_sha_256.")
        .key("connections", &C::connections, integer<std::uint32_t>({1, 100}), "At most so many.")
        .key("timeout", &C::timeout, duration({100ms, 1min}), "For a connection, and for an answer.");
}

Table<LdapConfig> ldap_table() {
    using C = LdapConfig;
    return Table<C>(
               "Accounts in an LDAP directory; passwords are checked by a bind. %a is the address, %u and %d its "
               "parts.")
        .key("url", &C::url, text(),
             "ldap://host, ldaps://host or ldapi:///, with a port where it is not the usual.")
        .key("starttls", &C::starttls, flag(), "STARTTLS before anything else.")
        .key("verify_tls", &C::verify_tls, flag(), "Its certificate must be good.")
        .key("ca_file", &C::ca_file, text(), "PEM file of who signed it; empty: the system's.")
        .key("bind_dn", &C::bind_dn, text(), "Who searches; empty: anonymous.")
        .key("bind_password", &C::bind_password, secret_text(), "The password of that name.")
        .key("domains", &C::domains, list(domain()), kDomains)
        .key("base", &C::base, text(), "Below which entries are searched.")
        .key("filter", &C::filter, text(), "Which entry is an account's.")
        .key("user_dn", &C::user_dn, text(),
             "The name of an account's entry, such as uid=%u,ou=people,dc=example; empty: search.")
        .key("group", &C::group, text(), "Only members of this entry are accounts; empty: all.")
        .key("member_attribute", &C::member_attribute, text(), "Its attribute with their names.")
        .key(
            "address_attribute", &C::address_attribute, text(),
            "The account's address, such as mail: an entry without the one that was asked for is nobody's; each of "
            "several is an account of its own, unless filter finds the entry by one alone; empty: not looked at.")
        .key("name_attribute", &C::name_attribute, text(), "The person's name.")
        .key("quota_attribute", &C::quota_attribute, text(), "A size such as 2GiB; empty: none.")
        .key("max_messages_attribute", &C::max_messages_attribute, text(), "A number; empty: none.")
        .key("disabled_attribute", &C::disabled_attribute, text(), "TRUE or 1: disabled; empty: none is.")
        .key("alias_filter", &C::alias_filter, text(), "Which entry is an alias; empty: no aliases.")
        .key("alias_attribute", &C::alias_attribute, text(), "Its attribute with the targets.")
        .key("connections", &C::connections, integer<std::uint32_t>({1, 100}), "At most so many.")
        .key("timeout", &C::timeout, duration({100ms, 1min}), "For the network, and for an answer.");
}

Table<OAuthConfig> oauth_table() {
    using C = OAuthConfig;
    return Table<C>("Bearer tokens (OAUTHBEARER, XOAUTH2). Accounts stand in the backends all the same.")
        .key("introspection_url", &C::introspection_url, url(), "Asked about tokens (RFC 7662); empty: nobody is.")
        .key("client_id", &C::client_id, text(), "Who asks there.")
        .key("client_secret", &C::client_secret, secret_text(), "The secret of that client.")
        .key("jwks_url", &C::jwks_url, url(),
             "Keys of the issuer: tokens that are JWTs are checked here; empty: none are.")
        .key("issuer", &C::issuer, text(), "Only tokens of this issuer (iss); empty: not looked at.")
        .key("audience", &C::audience, text(), "Only tokens for this service (aud); empty: not looked at.")
        .key("user_claim", &C::user_claim, text(), "Which claim is the account's address.")
        .key("clock_skew", &C::clock_skew, duration({0s, 10min}), "How wrong clocks may be.")
        .key("key_lifetime", &C::key_lifetime, duration({1min, 24h}), "How long keys are kept.")
        .key("timeout", &C::timeout, duration({100ms, 1min}), "For an answer.");
}

void check_backends(const Config& config, const Report& report) {
    if (config.backends.empty()) report("backends", "is empty: nobody could be found");
    for (auto at = config.backends.begin(); at != config.backends.end(); ++at) {
        if (std::find(std::next(at), config.backends.end(), *at) != config.backends.end())
            report("backends", "names " + quoted(name(*at)) + " twice");
    }
    const auto has = [&](BackendKind kind) {
        return std::ranges::find(config.backends, kind) != config.backends.end();
    };
    if (has(BackendKind::sql) && (config.sql.domains.empty() || config.sql.database.empty()))
        report("sql", "needs domains and a database for the backend \"sql\"");
    if (has(BackendKind::ldap) && (config.ldap.domains.empty() || config.ldap.url.empty()))
        report("ldap", "needs domains and a url for the backend \"ldap\"");
    const auto& oauth = config.oauth;
    if (!oauth.jwks_url.empty() && (oauth.issuer.empty() || oauth.audience.empty()))
        report("oauth", "needs issuer and audience with jwks_url: tokens for other services would log in here");
    if (has(BackendKind::file) && !config.file.path.starts_with('/'))
        report("file", "needs an absolute path for the backend \"file\"");
}

}  // namespace

std::string_view name(BackendKind kind) {
    switch (kind) {
        case BackendKind::embedded: return "embedded";
        case BackendKind::file: return "file";
        case BackendKind::sql: return "sql";
        case BackendKind::ldap: return "ldap";
    }
    return "embedded";
}

Table<Config> config_table() {
    return Table<Config>("Domains, accounts, and how one proves to be one of them.")
        .key("backends", &Config::backends, list(backend()),
             "Where accounts are looked for, in this order; \"embedded\" is what mailctl keeps in data_dir.")
        .key("default_domain", &Config::default_domain, text(),
             "Domain of user names that have none; empty: server.hostname.")
        .key("separator", &Config::separator, text(),
             "Mail for user+tag goes to user, if nobody has that very name; empty: no such tags.")
        .key(
            "argon2_memory", [](Config& c) -> auto& { return c.cost.memory; },
            size<std::uint64_t>({8 * 1024, 4096 * kMiB}),
            "Memory one password hash takes; what is stored with less is hashed again at the next login.")
        .key(
            "argon2_passes", [](Config& c) -> auto& { return c.cost.passes; }, integer<std::uint32_t>({1, 100}),
            "Passes over that memory.")
        .key(
            "scram_iterations", [](Config& c) -> auto& { return c.cost.scram_iterations; },
            integer<std::uint32_t>({4096, 10'000'000}), "Iterations of new SCRAM verifiers.")
        .key("hash_threads", &Config::hash_threads, integer<std::uint32_t>({0, 256}),
             "Passwords hashed side by side; 0: half the cores, at least one.")
        .key("hash_queue", &Config::hash_queue, integer<std::uint32_t>({1, 100'000}),
             "Logins that wait for that; beyond it they are told to come again.")
        .key("failure_delay", &Config::failure_delay, duration({0s, 1min}),
             "A wrong password is answered so long after it came.")
        .key(
            "client_failures", [](Config& c) -> auto& { return c.throttle.per_client; },
            integer<std::uint32_t>({0, 1'000'000}),
            "Failures of one address (IPv6: /64) within failure_window; then it waits; 0: any number.")
        .key(
            "account_failures", [](Config& c) -> auto& { return c.throttle.per_account; },
            integer<std::uint32_t>({0, 1'000'000}),
            "The same for one account, from addresses that have not logged into it for a week; 0: any number.")
        .key(
            "failure_window", [](Config& c) -> auto& { return c.throttle.window; }, duration({1s, 7 * 24h}),
            "In which those failures are forgotten, one after the other.")
        .section("file", &Config::file, file_table())
        .section("sql", &Config::sql, sql_table())
        .section("ldap", &Config::ldap, ldap_table())
        .section("oauth", &Config::oauth, oauth_table())
        .check([](const Config& config, const Report& report) {
            check_backends(config, report);
            if (!config.default_domain.empty() && !mail::valid_domain(config.default_domain))
                report("default_domain", "is not a domain");
            if (config.separator.find_first_of("@ \"") != std::string::npos)
                report("separator", "cannot stand in an address");
        });
}

}  // namespace posthorn::auth
