#include "net/client_limits.hpp"

#include <doctest/doctest.h>

using namespace posthorn;

TEST_CASE("connections of one client") {
    auto limits = net::ClientLimits::make();
    const auto enter = [&](const char* ip) {
        return net::ClientLimits::enter(limits, *net::IpAddress::parse(ip), 2);
    };
    auto one = enter("192.0.2.7");
    auto two = enter("::ffff:192.0.2.7");
    CHECK(two);
    CHECK_FALSE(enter("192.0.2.7"));
    CHECK(enter("192.0.2.8"));
    one.reset();
    CHECK(enter("192.0.2.7"));
    auto six = enter("2001:db8:0:1::1");
    auto seven = enter("2001:db8:0:1:ffff::2");
    CHECK_FALSE(enter("2001:db8:0:1::3"));
    CHECK(enter("2001:db8:0:2::3"));
    auto moved = std::move(six);
    six.reset();
    CHECK_FALSE(enter("2001:db8:0:1::3"));
    moved = enter("2001:db8:0:9::1");
    CHECK(enter("2001:db8:0:1::3"));
}
