#include "policy/rate.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using namespace std::chrono_literals;
using policy::Rate;
using policy::TokenBucket;

namespace {
const base::SteadyTime t0{base::Duration{1'000'000'000'000}};
}

TEST_CASE("a full bucket gives its burst at once and then one token an interval") {
    TokenBucket bucket(Rate{2.0, 3});
    CHECK(bucket.full(t0));
    for (int i = 0; i < 3; ++i) CHECK(bucket.take(t0));
    CHECK_FALSE(bucket.take(t0));
    CHECK(bucket.next() == t0 + 500ms);
    CHECK(bucket.next(4) == t0 + 2500ms);
    CHECK_FALSE(bucket.take(t0 + 500ms - 1ns));
    CHECK(bucket.take(t0 + 500ms));
    CHECK_FALSE(bucket.take(t0 + 999ms));
    CHECK(bucket.take(t0 + 1s));
}

TEST_CASE("a bucket tells how many tokens it holds") {
    TokenBucket bucket(Rate{2.0, 3});
    for (std::uint64_t left = 3; left > 0; --left) {
        CHECK(bucket.tokens(t0) == left);
        CHECK(bucket.take(t0));
    }
    CHECK(bucket.tokens(t0) == 0);
    CHECK(bucket.tokens(t0 + 499ms) == 0);
    CHECK(bucket.tokens(t0 + 500ms) == 1);
    CHECK(bucket.tokens(t0 + 1s) == 2);
    CHECK(bucket.tokens(t0 + 1h) == 3);
    CHECK(TokenBucket(Rate{0, 5}).tokens(t0) == 0);
}

TEST_CASE("fractions: one token in 100 s") {
    TokenBucket bucket(Rate{0.01, 1});
    CHECK(bucket.take(t0));
    CHECK_FALSE(bucket.take(t0 + 99s));
    CHECK(bucket.next() == t0 + 100s);
    CHECK(bucket.take(t0 + 100s));
}

TEST_CASE("no limit") {
    for (const double rate : {0.0, -1.0}) {
        TokenBucket bucket(Rate{rate, 1});
        CHECK_FALSE(bucket.limited());
        for (int i = 0; i < 1000; ++i) CHECK(bucket.take(t0));
        CHECK(bucket.ready(t0));
    }
}

TEST_CASE("a rate that no interval divides never lets more through than burst + rate * t") {
    TokenBucket bucket(Rate{7.0, 5});
    std::uint64_t given = 0;
    for (auto t = 0ms; t <= 10'000ms; t += 1ms) {
        while (bucket.take(t0 + t)) ++given;
        CHECK(static_cast<double>(given) <= 5.0 + 7.0 * static_cast<double>(t.count()) / 1000.0);
    }
    CHECK(given == 74);  // 5 + 70, less one for rounding up
}

TEST_CASE("an idle bucket fills to its burst, not beyond") {
    TokenBucket bucket(Rate{1.0, 2});
    CHECK(bucket.take(t0));
    CHECK(bucket.take(t0));
    CHECK_FALSE(bucket.full(t0 + 1s));
    CHECK(bucket.full(t0 + 2s));
    CHECK(bucket.take(t0 + 1h));
    CHECK(bucket.take(t0 + 1h));
    CHECK_FALSE(bucket.take(t0 + 1h));
}

TEST_CASE("a token given back can be taken again") {
    TokenBucket bucket(Rate{1.0, 1});
    CHECK(bucket.take(t0));
    bucket.give_back();
    CHECK(bucket.take(t0));
    CHECK_FALSE(bucket.take(t0));
}

TEST_CASE("a new rate keeps what was used up") {
    TokenBucket bucket(Rate{1.0, 10});
    for (int i = 0; i < 10; ++i) CHECK(bucket.take(t0));
    bucket.change(Rate{2.0, 10}, t0);
    CHECK_FALSE(bucket.take(t0));
    CHECK(bucket.next() == t0 + 500ms);
    CHECK(bucket.full(t0 + 5s));
    bucket.change(Rate{0, 1}, t0);
    CHECK(bucket.take(t0));
    bucket.change(Rate{1.0, 1}, t0);
    CHECK(bucket.take(t0));
    CHECK_FALSE(bucket.take(t0));
}
