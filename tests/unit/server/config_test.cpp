#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/config/reference.hpp"
#include "server/config/load.hpp"
#include "server/parts.hpp"

using namespace posthorn;
using namespace posthorn::server;
using namespace std::chrono_literals;

namespace {

std::string errors(std::string_view text) {
    const auto config = parse_config(text, "f");
    return config ? "" : config.error().text;
}

Config good(std::string_view text) {
    auto config = parse_config(text, "f");
    if (!config) FAIL(config.error().text);
    return *std::move(config);
}

}  // namespace

TEST_CASE("the printed reference parses back to the defaults") {
    const auto text = print_config();
    const auto config = parse_config(text, "reference");
    if (!config) FAIL(config.error().text);
    CHECK(base::config::flat(config_table(), *config) == base::config::flat(config_table(), good("")));
    CHECK(print_config() == text);
}

TEST_CASE("a configuration reaches the parts' structs") {
    const auto config = good(R"(
[server]
hostname = "mail.example.org"
[[listener]]
address = "127.0.0.1:2525"
tls = "none"
context = { service = "mx" }
max_recipients = 5
timeouts = { command = "7s" }
[[listener]]
address = "unix:/run/x.sock"
[smtp]
max_recipients = 50
max_errors = 3
memory_budget = "32MiB"
relay_networks = ["10.0.0.0/8"]
[delivery]
retry_min = "5s"
delay_warning = "1h"
[delivery.timeouts]
connect = "3s"
[delivery.rate_limit]
messages_per_second = 0.5
[delivery.domains."*.Example.com"]
mx_override = "localhost:1025"
tls = "require"
rate_limit = { messages_per_second = 1, burst_size = 5 }
[health]
listen_address = "127.0.0.1:0"
)");
    CHECK(config.server.hostname == "mail.example.org");
    REQUIRE(config.listeners.size() == 2);
    const auto& first = config.listeners[0].listener;
    const auto& second = config.listeners[1].listener;
    CHECK(first.address.port == 2525);
    CHECK(first.tls == net::ListenerTls::none);
    CHECK(first.context.at("service") == "mx");
    CHECK((first.smtp.max_recipients == 5 && first.smtp.max_errors == 3 && first.smtp.timeouts.command == 7s));
    CHECK((second.smtp.max_recipients == 50 && second.smtp.timeouts.command == 5min));
    CHECK(second.smtp.relay_networks.size() == 1);
    CHECK(config.spool.memory_budget == 32U << 20U);
    CHECK(config.spool.directory == "/var/spool/posthorn");
    CHECK(config.delivery.retry.min == 5s);
    CHECK(config.delivery.dsn.delay_warning == 1h);
    CHECK(config.delivery.dsn.reporting_mta == "mail.example.org");
    CHECK(config.delivery.dsn.postmaster == "postmaster@mail.example.org");
    CHECK(config.delivery.routing.rate.per_second == 0.5);
    REQUIRE(config.delivery.routing.rules.size() == 1);
    const auto& rule = config.delivery.routing.rules[0];
    CHECK(rule.pattern == "*.example.com");
    CHECK(rule.mx_override->to_string() == "localhost:1025");
    CHECK(rule.messages_per_second == 1.0);
    CHECK(rule.burst_size == 5);
    CHECK(config.health.listen_address.port == 0);
    CHECK(config.control.socket == "/run/posthorn/control.sock");
}

TEST_CASE("all errors are told at once with their places") {
    CHECK(errors("[server]\nhostnam = \"x\"\nthreads = \"many\"\n[delivery]\nretry_min = \"1d\"\nretry_max = "
                 "\"1h\"\n") ==
          "f:2:1: unknown key server.hostnam; did you mean server.hostname?\n"
          "f:3:11: server.threads wants an integer from 0 to 256, not a string\n"
          "f:5:1: delivery.retry_min is more than retry_max\n");
}

TEST_CASE("a syntax error has a place") {
    CHECK(errors("[server\n").starts_with("f:1:8: "));
    CHECK(errors("x = 1979-05-27\n") == "f:1:1: unknown key x\n");
}

TEST_CASE("keys that do not go together are refused") {
    CHECK(errors("[tls]\ncertificate = \"/x\"\n") == "f:2:1: tls.certificate is given without tls.key\n");
    CHECK(errors("[[listener]]\ntls = \"none\"\n") == "f:1:1: listener.address is missing\n");
    CHECK(errors("[[listener]]\naddress = \"[::]:25\"\n[[listener]]\naddress = \"[::]:25\"\n") ==
          "f:1:3: listener entries 1 and 2 share the address [::]:25\n");
    CHECK(errors("[spool]\nreserve = \"100MiB\"\n").starts_with("f:2:1: spool.reserve is less than four times"));
    CHECK(errors("[spool]\nreserve = \"0B\"\n").empty());
    CHECK(errors("[delivery.domains.\"a b\"]\n").find("is neither a domain") != std::string::npos);
    CHECK(errors("[delivery.domains.\"a.example\"]\nmx_override = \"a:1\"\nsmarthost = \"b:2\"\n") ==
          "f:3:1: delivery.domains.\"a.example\".smarthost excludes mx_override: give one of them\n");
}

TEST_CASE("a file without listeners has the default one with what [smtp] says") {
    const auto config = good("[smtp]\nmax_recipients = 3\n");
    REQUIRE(config.listeners.size() == 1);
    CHECK(config.listeners[0].listener.address.to_string() == "[::]:25");
    CHECK(config.listeners[0].listener.smtp.max_recipients == 3);
}

TEST_CASE("each listener goes to the part that speaks its protocol") {
    const auto config = good(
        "[pop3]\nidle = \"11m\"\n"
        "[[listener]]\naddress = \"[::]:25\"\n"
        "[[listener]]\nprotocol = \"pop3\"\naddress = \"[::]:995\"\ntls = \"implicit\"\n"
        "[[listener]]\nprotocol = \"lmtp\"\naddress = \"unix:/run/x\"\n");
    const auto mta = receiver_config(config, {}, {});
    REQUIRE(mta.listeners.size() == 2);
    CHECK(mta.listeners[0].protocol == mta::Protocol::smtp);
    CHECK(mta.listeners[1].protocol == mta::Protocol::lmtp);
    const auto pop3 = pop3_config(config, {});
    REQUIRE(pop3.listeners.size() == 1);
    CHECK(pop3.listeners[0].address.to_string() == "[::]:995");
    CHECK(pop3.listeners[0].tls == net::ListenerTls::implicit);
    CHECK(pop3.listeners[0].limits.idle == 11min);
    CHECK(errors("[pop3]\nexpire = \"soon\"\n") ==
          "f:2:1: pop3.expire is neither \"NEVER\" nor a number of days\n");
}

TEST_CASE("a bad endpoint or next hop is refused with its text") {
    CHECK(errors("[health]\nlisten_address = \"nowhere\"\n")
              .starts_with("f:2:18: health.listen_address \"nowhere\" is not"));
    CHECK(errors("[delivery.domains.\"a.example\"]\nmx_override = \"x:99999\"\n").starts_with("f:2:15: "));
}

TEST_CASE("without a file everything is under the user's own folders") {
    CHECK(embedded_config("mx.example.org").server.hostname == "mx.example.org");
    const auto config = embedded_config();
    CHECK(config.path.empty());
    CHECK(config.server.spool_dir.starts_with(config.server.data_dir));
    REQUIRE_FALSE(config.listeners.empty());
    CHECK(config.listeners[0].listener.address.to_string() == "127.0.0.1:2525");
    CHECK_FALSE(config.server.hostname.empty());
}

TEST_CASE("a name server is an address, with or without a port") {
    CHECK(good("[dns]\nservers = [\"192.0.2.1\", \"[2001:db8::1]:5353\", \"2001:db8::2\"]\n").dns.servers.size() ==
          3);
    for (const auto* bad : {"dns.example.org", "192.0.2.1:x", "192.0.2.1:0", ""}) {
        const auto text = errors(fmt::format("[dns]\nservers = [\"192.0.2.1\", \"{}\"]\n", bad));
        CHECK(text.starts_with("f:2:"));
        CHECK(text.find("dns.servers entry 2") != std::string::npos);
    }
}

TEST_CASE("keys of an issuer need to know whose tokens, and for whom") {
    constexpr auto oauth = "[auth.oauth]\njwks_url = \"https://id.example.org/keys\"\n";
    const auto with = [&](std::string_view more) { return errors(fmt::format("{}{}", oauth, more)); };
    constexpr auto wanted = "auth.oauth needs issuer and audience with jwks_url";
    CHECK(with("").contains(wanted));
    CHECK(with("issuer = \"https://id.example.org\"").contains(wanted));
    CHECK(with("audience = \"mail\"").contains(wanted));
    CHECK_FALSE(with("issuer = \"https://id.example.org\"\naudience = \"mail\"").contains("oauth"));
}
