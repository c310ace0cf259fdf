#include "policy/relay.hpp"

#include <doctest/doctest.h>

#include "policy/networks.hpp"

using namespace posthorn;
using policy::RelayDecision;

namespace {

RelayDecision decide(const policy::RelayPolicy& relay, const char* address, bool trusted = false) {
    return relay.decide(*mail::parse_address(address), trusted);
}

}  // namespace

TEST_CASE("nobody relays through us unless told so") {
    const policy::RelayPolicy relay({});
    CHECK(decide(relay, "u@example.org") == RelayDecision::refused);
    CHECK(decide(relay, "u@[192.0.2.1]") == RelayDecision::refused);
    CHECK(decide(relay, "u@example.org", true) == RelayDecision::trusted_client);
}

TEST_CASE("relay domains") {
    const policy::RelayPolicy relay({"Example.ORG", "*.sub.example.net", "m\xc3\xbcll.example", "not a domain"});
    CHECK(decide(relay, "u@EXAMPLE.org") == RelayDecision::own_domain);
    CHECK(decide(relay, "u@a.example.org") == RelayDecision::refused);
    CHECK(decide(relay, "u@notexample.org") == RelayDecision::refused);
    CHECK(decide(relay, "u@a.b.sub.example.net") == RelayDecision::own_domain);
    CHECK(decide(relay, "u@sub.example.net") == RelayDecision::refused);
    CHECK(decide(relay, "u@xn--mll-hoa.example") == RelayDecision::own_domain);
    // The old ways to hide a second destination do not make the domain ours.
    CHECK(decide(relay, "u%example.org@evil.example") == RelayDecision::refused);
    CHECK(decide(relay, "\"u@example.org\"@evil.example") == RelayDecision::refused);
    CHECK(decide(policy::RelayPolicy({"*"}), "u@example.com") == RelayDecision::own_domain);
}

TEST_CASE("a recipient without a domain is nobody's") {
    CHECK(policy::RelayPolicy({"*"}).decide({"postmaster", ""}, true) == RelayDecision::bad_domain);
}

TEST_CASE("networks") {
    const auto loopback = policy::loopback_networks();
    CHECK(policy::contains(loopback, *net::IpAddress::parse("127.9.9.9")));
    CHECK(policy::contains(loopback, *net::IpAddress::parse("::1")));
    CHECK(policy::contains(loopback, *net::IpAddress::parse("::ffff:127.0.0.1")));
    CHECK_FALSE(policy::contains(loopback, *net::IpAddress::parse("128.0.0.1")));
    CHECK_FALSE(policy::contains(loopback, *net::IpAddress::parse("::2")));
    CHECK_FALSE(policy::contains({}, *net::IpAddress::parse("127.0.0.1")));
}
