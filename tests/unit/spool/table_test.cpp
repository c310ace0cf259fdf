#include "spool/impl/table.hpp"

#include <doctest/doctest.h>

#include <map>

#include "base/random.hpp"

using namespace posthorn;
using namespace posthorn::spool;

TEST_CASE("the table does what a map does") {
    base::SeededRandom random(11);
    Table table;
    std::map<base::Ulid, std::uint32_t> model;
    const auto pick = [&] {
        base::Ulid id;
        // Few different ids, so that all cases happen; some share their hash's octets.
        id.bytes[15] = static_cast<std::uint8_t>(random.below(40));
        id.bytes[0] = static_cast<std::uint8_t>(random.below(8));
        return id;
    };
    for (int step = 0; step < 50'000; ++step) {
        const auto id = pick();
        const bool there = model.contains(id);
        REQUIRE((table.find(id) != nullptr) == there);
        if (there && random.below(2) == 0) {
            REQUIRE(table.find(id)->meta_length == model[id]);
            REQUIRE(table.erase(id));
            model.erase(id);
        } else if (!there) {
            Entry entry;
            entry.id = id;
            entry.meta_length = static_cast<std::uint32_t>(step);
            table.insert(entry);
            model[id] = entry.meta_length;
        }
        REQUIRE(table.size() == model.size());
    }
    std::size_t seen = 0;
    table.each([&](const Entry& entry) {
        ++seen;
        CHECK(model.at(entry.id) == entry.meta_length);
    });
    CHECK(seen == model.size());
}

TEST_CASE("a million messages cost less than 128 octets each in the table") {
    base::SeededRandom random(5);
    Table table;
    for (int i = 0; i < 1'000'000; ++i) {
        Entry entry;
        for (auto& octet : entry.id.bytes) octet = static_cast<std::uint8_t>(random.next());
        table.insert(entry);
    }
    CHECK(table.memory() / table.size() < 128);
}
