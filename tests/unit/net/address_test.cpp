#include "net/address.hpp"

#include <doctest/doctest.h>

using namespace posthorn::net;

TEST_CASE("an IP address is printed as it was parsed, in its canonical form") {
    for (const auto* text : {"192.0.2.1", "0.0.0.0", "::", "::1", "2001:db8::1", "fe80::1:0:0:1"}) {
        const auto ip = IpAddress::parse(text);
        REQUIRE(ip);
        CHECK(ip->to_string() == text);
    }
    CHECK(IpAddress::parse("2001:DB8:0:0:0:0:0:1")->to_string() == "2001:db8::1");
    for (const auto* text :
         {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "localhost", "[::1]", "::1%lo", ":::"}) {
        CAPTURE(text);
        CHECK_FALSE(IpAddress::parse(text));
    }
    CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST_CASE("loopback and mapped addresses are seen through") {
    CHECK(IpAddress::parse("127.9.9.9")->loopback());
    CHECK(IpAddress::parse("::1")->loopback());
    CHECK(IpAddress::parse("::ffff:127.0.0.1")->loopback());
    CHECK_FALSE(IpAddress::parse("::2")->loopback());
    CHECK_FALSE(IpAddress::parse("128.0.0.1")->loopback());
    CHECK(IpAddress::parse("::ffff:192.0.2.1")->unmapped() == *IpAddress::parse("192.0.2.1"));
    CHECK(IpAddress::parse("2001:db8::1")->unmapped() == *IpAddress::parse("2001:db8::1"));
}

TEST_CASE("a network contains what shares its prefix") {
    const auto ten = *Network::parse("10.0.0.0/8");
    CHECK(ten.contains(*IpAddress::parse("10.255.0.1")));
    CHECK(ten.contains(*IpAddress::parse("::ffff:10.1.2.3")));
    CHECK_FALSE(ten.contains(*IpAddress::parse("11.0.0.1")));
    CHECK_FALSE(ten.contains(*IpAddress::parse("a00::1")));
    const auto odd = *Network::parse("192.0.2.128/25");
    CHECK(odd.contains(*IpAddress::parse("192.0.2.200")));
    CHECK_FALSE(odd.contains(*IpAddress::parse("192.0.2.127")));
    CHECK(Network::parse("::1")->contains(*IpAddress::parse("::1")));
    CHECK_FALSE(Network::parse("::1")->contains(*IpAddress::parse("::2")));
    CHECK(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("203.0.113.9")));
    CHECK(Network::parse("10.1.2.3/8")->to_string() == "10.0.0.0/8");
    CHECK_FALSE(Network::parse("10.0.0.0/33"));
    CHECK_FALSE(Network::parse("::/129"));
    CHECK_FALSE(Network::parse("10.0.0.0/"));
    CHECK_FALSE(Network::parse("10.0.0.0/-1"));
}

TEST_CASE("an endpoint is read back from its text") {
    for (const auto* text : {"0.0.0.0:25", "[::]:25", "[2001:db8::1]:0", "unix:/run/posthorn/lmtp.sock"}) {
        const auto endpoint = parse_endpoint(text);
        REQUIRE(endpoint);
        CHECK(endpoint->to_string() == text);
    }
    for (const auto* text : {"", "25", ":25", "localhost:25", "::1:25", "[::1]", "[::1]25", "[127.0.0.1]:25",
                             "127.0.0.1:65536", "127.0.0.1:", "127.0.0.1: 25", "unix:", "unix:run/x", "[::1:25"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_endpoint(text));
    }
    CHECK_FALSE(parse_endpoint("unix:/" + std::string(107, 'x')));
}

TEST_CASE("a host and port is read with a default port") {
    const auto text = [](std::string_view in) {
        const auto parsed = parse_host_port(in, 25);
        return parsed ? parsed->to_string() : "-";
    };
    CHECK(text("mx.example.org") == "mx.example.org:25");
    CHECK(text("mx.example.org:2525") == "mx.example.org:2525");
    CHECK(text("[::1]:2525") == "[::1]:2525");
    CHECK(text("[::1]") == "[::1]:25");
    CHECK(text("::1") == "[::1]:25");
    CHECK(text("127.0.0.1:1") == "127.0.0.1:1");
    for (const auto* bad : {"", ":25", "host:", "host:0", "host:99999", "host:25x", "a b:25", "[host]:25", "[::1",
                            "[127.0.0.1]:25", ".x", "a:b:c"}) {
        CAPTURE(bad);
        CHECK(text(bad) == "-");
    }
}
