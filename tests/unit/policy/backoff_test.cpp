#include "policy/backoff.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using namespace std::chrono_literals;

TEST_CASE("the pause doubles from min to max, a tenth either way") {
    const policy::RetryPolicy p;
    base::SeededRandom random(7);
    base::Duration expected = 1min;
    for (std::uint32_t attempt = 1; attempt <= 30; ++attempt) {
        const base::Duration delay = policy::retry_delay(p, attempt, random);
        CHECK(delay >= p.min);
        CHECK(delay <= p.max);
        CHECK(delay >= expected * 9 / 10);
        CHECK(delay <= expected * 11 / 10);
        expected = std::min<base::Duration>(expected * 2, 6h);
    }
}

TEST_CASE("what fails together does not come back together") {
    base::SeededRandom random(1);
    const auto a = policy::retry_delay({}, 5, random);
    const auto b = policy::retry_delay({}, 5, random);
    CHECK(a != b);
}

TEST_CASE("the default schedule gives a recipient at least four days (RFC 5321 §4.5.4.1)") {
    const policy::RetryPolicy p;
    base::SeededRandom random(3);
    base::Duration total{};
    for (std::uint32_t attempt = 1; attempt < p.max_attempts; ++attempt) total += retry_delay(p, attempt, random);
    CHECK(total > 24h * 3);
    CHECK(total < p.max_age);
}

TEST_CASE("given up by attempts or by age, whichever comes first") {
    const policy::RetryPolicy p{1min, 1h, 3, 24h};
    const base::WallTime arrival{1000s};
    CHECK_FALSE(policy::given_up(p, 2, arrival, arrival + 23h));
    CHECK(policy::given_up(p, 3, arrival, arrival + 1s));
    CHECK(policy::given_up(p, 1, arrival, arrival + 24h));
}
