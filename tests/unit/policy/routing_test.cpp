#include "policy/routing.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace posthorn::policy;

namespace {

DomainRule rule(std::string pattern) {
    DomainRule r;
    r.pattern = std::move(pattern);
    return r;
}

bool mentions(const std::vector<std::string>& lines, std::string_view text) {
    return std::ranges::any_of(lines, [&](const auto& line) { return line.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("without rules a domain goes to its MX under the defaults") {
    const RoutingTable table{RoutingConfig{}};
    const Route r = table.route("example.com");
    CHECK(r.key == "example.com");
    CHECK(r.via == Route::Via::mx);
    CHECK(r.tls == TlsPolicy::may);
    CHECK(r.rate == Rate{10.0, 20});
    CHECK(table.route("[192.0.2.1]").key == "[192.0.2.1]");
}

TEST_CASE("exact before the longest *. before *, key by key") {
    RoutingConfig config;
    auto all = rule("*");
    all.tls = TlsPolicy::require;
    all.max_connections = 3;
    auto com = rule("*.com");
    com.max_connections = 4;
    auto sub = rule("*.example.com");
    sub.tls = TlsPolicy::verify;
    auto exact = rule("mail.example.com");
    exact.messages_per_second = 0.5;
    config.rules = {all, com, sub, exact};
    const RoutingTable table{config};

    const Route r = table.route("mail.example.com");
    CHECK(r.rate == Rate{0.5, 20});
    CHECK(r.tls == TlsPolicy::verify);
    CHECK(r.max_connections == 4);
    CHECK(table.route("example.com").tls == TlsPolicy::require);  // *.example.com is below it, not itself
    CHECK(table.route("example.com").max_connections == 4);
    CHECK(table.route("a.b.example.com").tls == TlsPolicy::verify);
    CHECK(table.route("example.org").max_connections == 3);
    CHECK(table.route("[192.0.2.1]").tls == TlsPolicy::require);
}

TEST_CASE("a narrower way hides a wider one") {
    RoutingConfig config;
    auto all = rule("*");
    all.smarthost = Hop{"relay.example.net", 587};
    all.smarthost_user = "u";
    all.smarthost_password = "p";
    auto direct = rule("direct.example");
    direct.transport = Transport{};
    auto over = rule("test.example");
    over.mx_override = Hop{"localhost", 1025};
    auto lmtp = rule("local.example");
    lmtp.transport = Transport{Protocol::lmtp, std::nullopt, "/run/lmtp"};
    config.rules = {all, direct, over, lmtp};
    const RoutingTable table{config};

    const Route smart = table.route("a.example");
    CHECK(smart.smarthost);
    CHECK(smart.user == "u");
    CHECK(smart.key == table.route("b.example").key);
    CHECK(table.route("direct.example").via == Route::Via::mx);
    CHECK(table.route("direct.example").user.empty());
    CHECK(table.route("test.example").hop == Hop{"localhost", 1025});
    CHECK(table.route("test.example").key == "test.example");
    CHECK(table.route("local.example").via == Route::Via::unix_socket);
    CHECK(table.route("local.example").protocol == Protocol::lmtp);
}

TEST_CASE("mail for a domain of ours stays, unless a rule for this very domain names a way") {
    RoutingConfig config;
    auto all = rule("*");
    all.smarthost = Hop{"relay.example.net", 25};
    auto slow = rule("slow.example");
    slow.messages_per_second = 1;
    auto away = rule("away.example");
    away.mx_override = Hop{"old.example", 25};
    config.rules = {all, slow, away};
    const RoutingTable table{config};
    for (const auto* domain : {"a.example", "slow.example"}) {
        const Route route = table.route(domain, true);
        CHECK(route.protocol == Protocol::local);
        CHECK(route.key == kLocalKey);
        CHECK(route.rate.per_second == 0);
        CHECK(table.route(domain).smarthost);
    }
    CHECK(table.route("away.example", true).hop.host == "old.example");
    CHECK(mentions(table.explain("a.example", true), "next hop the store"));
    CHECK(mentions(table.explain("away.example", true), "old.example"));
}

TEST_CASE("domains with different settings do not share a smarthost's destination") {
    RoutingConfig config;
    auto all = rule("*");
    all.smarthost = Hop{"relay.example.net", 25};
    auto slow = rule("*.slow.example");
    slow.messages_per_second = 1;
    config.rules = {all, slow};
    const RoutingTable table{config};
    CHECK(table.route("a.slow.example").key != table.route("a.example").key);
    CHECK(table.route("a.slow.example").key == table.route("b.slow.example").key);
    CHECK(table.route("a.slow.example").smarthost);
}

TEST_CASE("the explanation names rules and warns") {
    RoutingConfig config;
    auto r = rule("test.example");
    r.accept_invalid_certs = true;
    r.mx_override = Hop{"localhost", 1025};
    config.rules = {r};
    const RoutingTable table{config};
    const auto lines = table.explain("test.example");
    CHECK(mentions(lines, "next hop localhost:1025 (rule \"test.example\")"));
    CHECK(mentions(lines, "SECURITY WARNING"));
    CHECK(mentions(table.explain("other.example"), "no rule matches"));
}

TEST_CASE("hops") {
    CHECK(*parse_hop("Relay.Example.NET", 25) == Hop{"relay.example.net", 25});
    CHECK(*parse_hop("localhost:1025", 25) == Hop{"localhost", 1025});
    CHECK(*parse_hop("192.0.2.1:2525", 25) == Hop{"192.0.2.1", 2525});
    CHECK(*parse_hop("[2001:db8::1]:25", 25) == Hop{"2001:db8::1", 25});
    CHECK(parse_hop("[2001:db8::1]:25", 25)->to_string() == "[2001:db8::1]:25");
    for (const auto* bad :
         {"", ":25", "host:", "host:0", "host:65536", "host:25x", "[::1", "[::1]25", "a b", "[x]:1"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_hop(bad, 25));
    }
}

TEST_CASE("transports") {
    CHECK(*parse_transport("smtp") == Transport{});
    CHECK(parse_transport("lmtp:/run/x.sock")->unix_path == "/run/x.sock");
    CHECK(*parse_transport("lmtp:mda.example")->hop == Hop{"mda.example", 24});
    CHECK_FALSE(parse_transport("uucp"));
    CHECK_FALSE(parse_transport("lmtp:"));
}

TEST_CASE("TLS policies: names, and when a certificate must hold") {
    CHECK(must_verify(TlsPolicy::verify, false));
    CHECK_FALSE(must_verify(TlsPolicy::verify, true));
    CHECK_FALSE(must_verify(TlsPolicy::require, false));
    for (const auto p : {TlsPolicy::none, TlsPolicy::may, TlsPolicy::require, TlsPolicy::verify}) {
        CHECK(parse_tls_policy(name(p)) == p);
    }
    CHECK_FALSE(parse_tls_policy("maybe"));
}
