#include "proto/sasl/mechanism.hpp"

#include <doctest/doctest.h>

using namespace posthorn::sasl;

TEST_CASE("each mechanism has a name that leads back to it, in any case") {
    for (int i = 0; i <= static_cast<int>(Mechanism::login); ++i) {
        const auto mechanism = static_cast<Mechanism>(i);
        REQUIRE_FALSE(name(mechanism).empty());
        CHECK(parse_mechanism(name(mechanism)) == mechanism);
    }
    CHECK(parse_mechanism("scram-sha-256-plus") == Mechanism::scram_sha_256_plus);
    CHECK_FALSE(parse_mechanism("CRAM-MD5"));
    CHECK_FALSE(parse_mechanism(""));
}

TEST_CASE("only what shows its secret is in the clear") {
    CHECK(in_the_clear(Mechanism::plain));
    CHECK(in_the_clear(Mechanism::login));
    CHECK(in_the_clear(Mechanism::oauthbearer));
    CHECK(in_the_clear(Mechanism::xoauth2));
    CHECK_FALSE(in_the_clear(Mechanism::scram_sha_256));
    CHECK_FALSE(in_the_clear(Mechanism::scram_sha_1));
    CHECK_FALSE(in_the_clear(Mechanism::external));
}
