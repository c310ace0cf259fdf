#include "delivery/message_table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/random.hpp"
#include "delivery/wake_heap.hpp"

using namespace posthorn;
using namespace posthorn::delivery;

namespace {

base::Ulid random_id(base::Random& random) {
    base::Ulid id;
    for (auto& octet : id.bytes) octet = static_cast<std::uint8_t>(random.next());
    return id;
}

std::set<base::Ulid> all_of(MessageTable& table) {
    std::set<base::Ulid> seen;
    table.walk(0, table.end(), [&](Message& m) { CHECK(seen.insert(m.id).second); });
    return seen;
}

}  // namespace

TEST_CASE("a table of messages holds what a set of ids would, and none of them moves") {
    base::SeededRandom random(7);
    MessageTable table;
    std::map<base::Ulid, Message*> model;
    for (int step = 0; step < 20'000; ++step) {
        const bool grow = step < 8'000 || random.next() % 3 == 0;
        if (grow || model.empty()) {
            const auto id = random_id(random);
            const auto [m, fresh] = table.insert(id);
            CHECK(fresh);
            CHECK(m->id == id);
            model[id] = m;
        } else {
            auto at = model.lower_bound(random_id(random));
            if (at == model.end()) at = model.begin();
            REQUIRE(table.find(at->first) == at->second);
            table.erase(at->first);
            CHECK_FALSE(table.contains(at->first));
            model.erase(at);
        }
    }
    CHECK(table.size() == model.size());
    for (const auto& [id, m] : model) {
        CHECK(table.find(id) == m);
        CHECK_FALSE(table.insert(id).second);
    }
    std::set<base::Ulid> expected;
    for (const auto& [id, m] : model) expected.insert(id);
    CHECK(all_of(table) == expected);
}

TEST_CASE("a walk in pieces sees once what was there the whole time, whatever comes and goes") {
    base::SeededRandom random(8);
    MessageTable table;
    std::set<base::Ulid> staying;
    std::vector<base::Ulid> leaving;
    for (int i = 0; i < 3'000; ++i) {
        const auto id = random_id(random);
        table.insert(id);
        if (i % 3 == 0)
            leaving.push_back(id);
        else
            staying.insert(id);
    }
    std::map<base::Ulid, int> seen;
    MessageTable::Place place = 0;
    while (place < table.end()) {
        int turn = 0;
        place = table.walk(place, 100, [&](Message& m) {
            ++seen[m.id];
            ++turn;
        });
        CHECK(turn <= 100);
        for (int i = 0; i < 30 && !leaving.empty(); ++i) {
            table.erase(leaving.back());
            leaving.pop_back();
        }
        for (int i = 0; i < 20; ++i) table.insert(random_id(random));
    }
    for (const auto& id : staying) CHECK(seen[id] == 1);
    CHECK(std::ranges::all_of(seen, [](const auto& s) { return s.second == 1; }));
}

TEST_CASE("an empty table that was large walks quickly: its chunks are given back") {
    base::SeededRandom random(9);
    MessageTable table;
    std::vector<base::Ulid> ids;
    for (int i = 0; i < 10'000; ++i) {
        ids.push_back(random_id(random));
        table.insert(ids.back());
    }
    for (const auto& id : ids) table.erase(id);
    CHECK(table.size() == 0);
    // One step for each chunk that is gone, one for each place of the first.
    CHECK(table.walk(0, 256 + 40, [](Message&) {}) == table.end());
}

TEST_CASE("the heap of wake times gives the earliest first, through any change of mind") {
    base::SeededRandom random(10);
    MessageTable table;
    WakeHeap heap;
    std::vector<Message*> all;
    for (int i = 0; i < 500; ++i) all.push_back(table.insert(random_id(random)).first);
    for (int step = 0; step < 20'000; ++step) {
        Message& m = *all[random.next() % all.size()];
        if (random.next() % 4 == 0)
            heap.remove(m);
        else
            heap.set(m, base::from_ms(static_cast<std::int64_t>(1 + random.next() % 1000)));
    }
    const auto planned = std::ranges::count_if(all, [](const Message* m) { return m->wake != base::WallTime{}; });
    base::WallTime last{};
    std::ptrdiff_t taken = 0;
    for (; !heap.empty(); ++taken) {
        Message& first = heap.first();
        CHECK(first.wake >= last);
        last = first.wake;
        heap.remove(first);
    }
    CHECK(taken == planned);
}

TEST_CASE("a list of one or many keeps its elements through growth and removal") {
    OneOrMany<std::shared_ptr<int>> list;
    CHECK(list.empty());
    for (int i = 0; i < 9; ++i) {
        list.push_back(std::make_shared<int>(i));
        CHECK(list.size() == static_cast<std::size_t>(i) + 1);
        for (int k = 0; k <= i; ++k) CHECK(*list[static_cast<std::size_t>(k)] == k);
    }
    const std::weak_ptr<int> four = list[4];
    list.erase(&list[4]);
    CHECK(four.expired());
    list.erase_if([](const auto& p) { return *p % 2 == 1; });
    REQUIRE(list.size() == 4);
    CHECK(*list[2] == 6);
    OneOrMany<std::shared_ptr<int>> other(std::move(list));
    CHECK(list.empty());
    CHECK(*other[3] == 8);
    other = OneOrMany<std::shared_ptr<int>>();
    CHECK(other.empty());
    other.push_back(std::make_shared<int>(1));
    list = std::move(other);
    CHECK(*list[0] == 1);
}
