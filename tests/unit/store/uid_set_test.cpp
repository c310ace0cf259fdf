#include "store/uid_set.hpp"

#include <doctest/doctest.h>

#include <set>

#include "base/random.hpp"

using namespace posthorn;
using store::IdSet;

TEST_CASE("ids that touch become one range") {
    IdSet set{1, 2, 3, 7, 5, 6};
    CHECK(set.text() == "1:3,5:7");
    set.add(4);
    CHECK(set.text() == "1:7");
    CHECK(set.count() == 7);
    CHECK(set.first() == 1);
    CHECK(set.last() == 7);
    set.add(9, 8);
    CHECK(set.text() == "1:7");
    set.remove(IdSet::of(3, 4));
    CHECK(set.text() == "1:2,5:7");
    CHECK(IdSet::all().contains(UINT64_MAX));
    CHECK(IdSet::all().count() == UINT64_MAX);
    CHECK(IdSet().text().empty());
}

TEST_CASE("a set of ids does what a set does") {
    base::SeededRandom random(7);
    for (int round = 0; round < 300; ++round) {
        IdSet set;
        std::set<std::uint64_t> plain;
        for (int step = 0; step < 40; ++step) {
            const auto first = 1 + random.below(60);
            const auto last = first + random.below(6);
            if (random.below(3) != 0) {
                set.add(first, last);
                for (auto id = first; id <= last; ++id) plain.insert(id);
            } else {
                IdSet gone = IdSet::of(first, last);
                gone.add(first + 10);
                set.remove(gone);
                for (auto id = first; id <= last; ++id) plain.erase(id);
                plain.erase(first + 10);
            }
            std::set<std::uint64_t> seen;
            set.for_each([&](std::uint64_t id) { seen.insert(id); });
            REQUIRE(seen == plain);
            REQUIRE(set.count() == plain.size());
        }
        for (std::uint64_t id = 0; id < 80; ++id) REQUIRE(set.contains(id) == plain.contains(id));
        REQUIRE(IdSet::decode(set.encode()) == set);
        if (!set.empty()) REQUIRE(IdSet::parse(set.text()) == set);
    }
}

TEST_CASE("a set of ids is read from text and octets, or not at all") {
    CHECK(IdSet::parse("7,3:1,2")->text() == "1:3,7");
    for (const char* bad : {"", "0", "1:", ":1", "1,", "*", "1:*", "a", "1;2", "18446744073709551616"}) {
        CAPTURE(bad);
        CHECK_FALSE(IdSet::parse(bad));
    }
    CHECK(IdSet::decode(IdSet::all().encode()) == IdSet::all());
    CHECK(IdSet::decode("")->empty());
    CHECK_FALSE(IdSet::decode("\x01"));
    CHECK_FALSE(IdSet::decode("\x80"));
    CHECK_FALSE(IdSet::decode(std::string(11, '\xFF')));
}
