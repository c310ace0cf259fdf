#include <doctest/doctest.h>

#include <random>
#include <set>

#include "proto/imap/number_set.hpp"
#include "proto/imap/sequence_set.hpp"

using namespace posthorn::imap;

TEST_CASE("a number set holds what a set of numbers holds") {
    std::mt19937 random(7);
    for (int run = 0; run < 200; ++run) {
        NumberSet set;
        std::set<std::uint32_t> model;
        for (int step = 0; step < 40; ++step) {
            const auto first = static_cast<std::uint32_t>(random() % 60 + 1);
            const auto last = first + static_cast<std::uint32_t>(random() % 6);
            const bool add = random() % 3 != 0;
            for (auto n = first; n <= last; ++n) add ? void(model.insert(n)) : void(model.erase(n));
            add ? set.add(first, last) : set.remove(first, last);
            REQUIRE(set.count() == model.size());
            std::vector<std::uint32_t> listed;
            set.for_each([&](std::uint32_t n) { listed.push_back(n); });
            REQUIRE(listed == std::vector(model.begin(), model.end()));
            for (std::size_t i = 1; i < set.ranges().size(); ++i)
                REQUIRE(set.ranges()[i].first > set.ranges()[i - 1].last + 1);
            for (std::uint32_t n = 1; n < 70; ++n) REQUIRE(set.contains(n) == model.contains(n));
        }
    }
}

TEST_CASE("a number set at the ends of what a number can be") {
    NumberSet set;
    set.add(1, UINT32_MAX);
    CHECK(set.count() == UINT32_MAX);
    set.remove(1, 1);
    set.remove(UINT32_MAX, UINT32_MAX);
    CHECK(set.text() == "2:4294967294");
    set.add(UINT32_MAX);
    CHECK(set.text() == "2:4294967295");
    CHECK(NumberSet{}.text().empty());
    CHECK(NumberSet{5, 1, 2, 3, 9}.common(NumberSet{2, 3, 4, 9}).text() == "2:3,9");
}

TEST_CASE("a sequence set stands for what is there") {
    const SequenceSet set{
        .ranges = {{2, 2}, {4, 7}, {9, 9}, {12, SequenceSet::kStar}}};  // RFC 9051 §9: 2,4:7,9,12:*
    CHECK(set.resolve(15).text() == "2,4:7,9,12:15");
    CHECK(SequenceSet{.ranges = {{SequenceSet::kStar, 4}, {5, 7}}}.resolve(10).text() == "4:10");  // *:4,5:7
    // A range whose beginning lies behind the last message holds the last one.
    CHECK(SequenceSet{.ranges = {{559, SequenceSet::kStar}}}.resolve(10).text() == "10:559");
    CHECK(SequenceSet{.ranges = {{1, SequenceSet::kStar}}}.resolve(0).empty());
    CHECK(SequenceSet{.ranges = {{7, 4}}}.resolve(3).text() == "4:7");
    for (const std::uint32_t largest : {0U, 3U, 10U, 600U}) {
        for (const auto& one : {set, SequenceSet{.ranges = {{SequenceSet::kStar, 4}, {559, 7}, {2, 2}}}}) {
            const auto resolved = one.resolve(largest);
            for (std::uint32_t n = 1; n <= 600; ++n) CHECK(one.contains(n, largest) == resolved.contains(n));
        }
    }
}
