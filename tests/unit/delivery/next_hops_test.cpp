#include "delivery/next_hops.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "delivery/address_memory.hpp"

using namespace posthorn;
using namespace posthorn::delivery;
using namespace std::chrono_literals;

namespace {

net::IpAddress ip(std::string_view text) { return *net::IpAddress::parse(text); }
net::Endpoint at(std::string_view text, std::uint16_t port = 25) { return {ip(text), port, {}}; }

}  // namespace

TEST_CASE("MX hosts by preference, equals in any order (RFC 5321 §5.1)") {
    base::SeededRandom random(5);
    std::set<std::string> firsts;
    for (int i = 0; i < 200; ++i) {
        std::vector<net::MxRecord> records{{20, "d"}, {10, "a"}, {10, "b"}, {10, "c"}, {5, "z"}};
        order_mx(records, random);
        CHECK(records.front().host == "z");
        CHECK(records.back().host == "d");
        firsts.insert(records[1].host);
    }
    CHECK(firsts == std::set<std::string>{"a", "b", "c"});
}

TEST_CASE("IPv6 and IPv4 in turn") {
    const std::vector<net::IpAddress> in{ip("2001:db8::1"), ip("2001:db8::2"), ip("192.0.2.1"), ip("192.0.2.2"),
                                         ip("192.0.2.3")};
    CHECK(interleave(in) == std::vector<net::IpAddress>{ip("2001:db8::1"), ip("192.0.2.1"), ip("2001:db8::2"),
                                                        ip("192.0.2.2"), ip("192.0.2.3")});
    CHECK(interleave({}).empty());
}

TEST_CASE("what is ourselves") {
    Config config;
    config.hostname = "mail.example.org";
    config.own_names = {"mx.example.org"};
    config.own_endpoints = {at("192.0.2.9"), at("::", 2525)};
    config.own_addresses = {ip("198.51.100.7")};
    CHECK(is_own_endpoint(config, at("192.0.2.9")));
    CHECK(is_own_endpoint(config, at("::ffff:192.0.2.9")));
    CHECK_FALSE(is_own_endpoint(config, at("192.0.2.9", 26)));
    CHECK_FALSE(is_own_endpoint(config, at("127.0.0.1")));
    CHECK(is_own_endpoint(config, at("127.0.0.1", 2525)));
    CHECK(is_own_endpoint(config, at("::1", 2525)));
    CHECK(is_own_endpoint(config, at("198.51.100.7", 2525)));
    CHECK_FALSE(is_own_endpoint(config, at("198.51.100.8", 2525)));
    CHECK(is_own_name(config, "MX.example.org"));
    CHECK(is_own_name(config, "mail.example.org"));
    CHECK_FALSE(is_own_name(config, "example.org"));
    config.own_endpoints = {at("0.0.0.0")};
    CHECK(is_own_endpoint(config, at("127.0.0.1")));
    CHECK_FALSE(is_own_endpoint(config, at("::1")));
}

TEST_CASE("addresses that failed go last for a while") {
    AddressMemory memory;
    const base::SteadyTime t0{1h};
    const auto order = [&](base::SteadyTime now) {
        std::vector<Target> targets{{at("192.0.2.1"), "a"}, {at("192.0.2.2"), "b"}, {at("192.0.2.3"), "c"}};
        memory.sort(targets, now);
        std::string out;
        for (const auto& t : targets) out += t.host;
        return out;
    };
    CHECK(order(t0) == "abc");
    memory.failed(at("192.0.2.1"), t0);
    CHECK(order(t0) == "bca");
    memory.failed(at("192.0.2.2"), t0);
    memory.failed(at("192.0.2.3"), t0);
    CHECK(order(t0) == "abc");
    memory.worked(at("192.0.2.3"));
    CHECK(order(t0) == "cab");
    CHECK(order(t0 + AddressMemory::kPenalty) == "abc");
}
