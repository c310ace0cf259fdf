#include "base/ulid.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

namespace {
class FixedClock final : public Clock {
public:
    SteadyTime steady() const override { return {}; }
    WallTime wall() const override { return at; }
    WallTime at = from_ms(1'700'000'000'123);
};
}  // namespace

TEST_CASE("ulid text and bytes are the same thing") {
    FixedClock clock;
    SeededRandom random(7);
    UlidSource source(clock, random);
    const Ulid id = source.next();
    CHECK(id.to_string().size() == 26);
    CHECK(Ulid::parse(id.to_string()) == id);
    CHECK(id.time() == clock.at);
    CHECK(Ulid::parse("7ZZZZZZZZZZZZZZZZZZZZZZZZZ").has_value());
    CHECK_FALSE(Ulid::parse("8ZZZZZZZZZZZZZZZZZZZZZZZZZ").has_value());
    CHECK_FALSE(Ulid::parse("0000000000000000000000000U").has_value());
    CHECK_FALSE(Ulid::parse("").has_value());
}

TEST_CASE("ulids of one source grow, also within a millisecond and when the clock goes back") {
    FixedClock clock;
    SeededRandom random(7);
    UlidSource source(clock, random);
    Ulid last = source.next();
    for (int i = 0; i < 1000; ++i) {
        if (i == 500) clock.at -= std::chrono::seconds(5);
        const Ulid next = source.next();
        REQUIRE(last < next);
        REQUIRE(last.to_string() < next.to_string());
        last = next;
    }
}

TEST_CASE("a child's id is a function of parent and counter") {
    FixedClock clock;
    SeededRandom random(7);
    UlidSource source(clock, random);
    const Ulid parent = source.next();
    CHECK(parent.child(1) == parent.child(1));
    CHECK(parent.child(1) != parent.child(2));
    CHECK(parent.child(1) != parent);
    CHECK(parent.child(1).time() == parent.time());
    CHECK(source.next().child(1) != parent.child(1));
}
