#include "auth/impl/throttle.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using namespace posthorn::auth;
using auth::impl::client_key;
using auth::impl::Throttle;
using namespace std::chrono_literals;

namespace {

constexpr ThrottleConfig kConfig{.per_client = 4, .per_account = 2, .window = 60s, .entries = 100, .known_for = 1h};

base::SteadyTime at(base::Duration d) { return base::SteadyTime{} + 1000s + d; }

}  // namespace

TEST_CASE("clients share a bucket by IPv4 address and by IPv6 /64") {
    const auto key = [](const char* ip) { return client_key(*net::IpAddress::parse(ip), false); };
    CHECK(key("2001:db8:1:2::1") == key("2001:db8:1:2:ffff::9"));
    CHECK(key("2001:db8:1:2::1") != key("2001:db8:1:3::1"));
    CHECK(key("::ffff:192.0.2.1") == key("192.0.2.1"));
    CHECK(key("192.0.2.1") != key("192.0.2.2"));
    CHECK(client_key({}, true).empty());
}

TEST_CASE("a client's failures are bounded over all accounts, and forgotten one after the other") {
    Throttle throttle(kConfig);
    for (int i = 0; i < 4; ++i) CHECK(throttle.begin("192.0.2.1", "u" + std::to_string(i), at(0s)).allowed);
    const auto refused = throttle.begin("192.0.2.1", "u9", at(0s));
    CHECK_FALSE(refused.allowed);
    CHECK(refused.retry_after == 15s);
    CHECK(throttle.begin("192.0.2.2", "u9", at(0s)).allowed);
    CHECK_FALSE(throttle.begin("192.0.2.1", "u9", at(14s)).allowed);
    CHECK(throttle.begin("192.0.2.1", "u9", at(15s)).allowed);
    CHECK_FALSE(throttle.begin("192.0.2.1", "u9", at(15s)).allowed);
}

TEST_CASE("an account's failures are bounded over all clients") {
    Throttle throttle(kConfig);
    CHECK(throttle.begin("192.0.2.1", "ann@example.org", at(0s)).allowed);
    CHECK(throttle.begin("192.0.2.2", "ann@example.org", at(0s)).allowed);
    CHECK_FALSE(throttle.begin("192.0.2.3", "ann@example.org", at(0s)).allowed);
    CHECK(throttle.begin("192.0.2.3", "bob@example.org", at(0s)).allowed);
}

TEST_CASE("a refused attempt costs nothing more: waiting out ends it") {
    Throttle throttle(kConfig);
    for (int i = 0; i < 2; ++i) CHECK(throttle.begin("192.0.2.1", "ann", at(0s)).allowed);
    for (int i = 0; i < 50; ++i) CHECK_FALSE(throttle.begin("192.0.2.1", "ann", at(1s)).allowed);
    CHECK(throttle.begin("192.0.2.1", "ann", at(30s)).allowed);
}

TEST_CASE("a success gives its place back") {
    Throttle throttle(kConfig);
    for (int i = 0; i < 50; ++i) {
        const auto ticket = throttle.begin("192.0.2.1", "ann", at(0s));
        REQUIRE(ticket.allowed);
        throttle.refund(ticket);
    }
}

TEST_CASE("strangers cannot lock an account against a client that it knows") {
    Throttle throttle(kConfig);
    const auto ticket = throttle.begin("192.0.2.1", "ann", at(0s));
    throttle.refund(ticket);
    throttle.remember(ticket, at(0s));
    for (int i = 0; i < 10; ++i) throttle.begin("198.51.100." + std::to_string(i), "ann", at(1s));
    CHECK_FALSE(throttle.begin("203.0.113.1", "ann", at(1s)).allowed);
    CHECK(throttle.begin("192.0.2.1", "ann", at(1s)).allowed);
    SUBCASE("but not for ever") {
        for (int i = 0; i < 10; ++i) throttle.begin("198.51.100." + std::to_string(i), "ann", at(2h));
        CHECK_FALSE(throttle.begin("192.0.2.1", "ann", at(2h)).allowed);
    }
    SUBCASE("and its own failures still count for the client") {
        for (int i = 0; i < 3; ++i) CHECK(throttle.begin("192.0.2.1", "ann", at(1s)).allowed);
        CHECK_FALSE(throttle.begin("192.0.2.1", "ann", at(1s)).allowed);
    }
}

TEST_CASE("a Unix socket and a missing name have no bucket") {
    Throttle throttle(kConfig);
    for (int i = 0; i < 50; ++i) CHECK(throttle.begin("", "", at(0s)).allowed);
    CHECK(throttle.size() == 0);
}

TEST_CASE("the table is bounded: the longest untouched entry goes first") {
    Throttle throttle(kConfig);
    for (int i = 0; i < 2; ++i) throttle.begin("192.0.2.1", "ann", at(0s));
    for (int i = 0; i < 1000; ++i) {
        throttle.begin("10.0.0." + std::to_string(i % 256), "x" + std::to_string(i), at(1s));
        if (i % 20 == 0) CHECK_FALSE(throttle.begin("192.0.2.9", "ann", at(1s)).allowed);  // touched: stays
    }
    CHECK(throttle.size() <= 100);
}

TEST_CASE("a client that is refused does not push others' accounts out of the table") {
    Throttle throttle(kConfig);
    for (int i = 0; i < 2; ++i) throttle.begin("192.0.2.1", "ann", at(0s));
    for (int i = 0; i < 4; ++i) throttle.begin("192.0.2.9", "u" + std::to_string(i), at(0s));
    for (int i = 0; i < 1000; ++i)
        CHECK_FALSE(throttle.begin("192.0.2.9", "x" + std::to_string(i), at(0s)).allowed);
    CHECK_FALSE(throttle.begin("192.0.2.2", "ann", at(0s)).allowed);
}
