#include "delivery/frozen.hpp"

#include <doctest/doctest.h>

#include <cerrno>

#include "tests/support/fault_disk.hpp"

using namespace posthorn;
using namespace posthorn::delivery;

namespace {

void put(test::FaultDisk& disk, const std::string& text) { disk.put("/d/frozen", text); }

}  // namespace

TEST_CASE("what is frozen is read back as it was written") {
    test::FaultDisk disk;
    REQUIRE(disk.make_directory("/d", 0700));
    CHECK(*read_frozen(disk, "/d") == Frozen{});
    const Frozen some{false, {"a.example", "xn--bcher-kva.example"}};
    REQUIRE(write_frozen(disk, "/d", some));
    CHECK(*read_frozen(disk, "/d") == some);
    const Frozen all{true, {}};
    REQUIRE(write_frozen(disk, "/d", all));
    CHECK(*read_frozen(disk, "/d") == all);
    CHECK(all.covers("x.example"));
    CHECK(some.covers("a.example"));
    CHECK_FALSE(some.covers("b.example"));
}

TEST_CASE("a list that cannot be understood is an error, not an empty list") {
    for (const auto* text : {"", "posthorn-frozen 2\n", "posthorn-frozen 1\ndomain a.example", "everything\n",
                             "posthorn-frozen 1\nwhatever\n", "posthorn-frozen 1\ndomain -\n"}) {
        CAPTURE(text);
        test::FaultDisk disk;
        REQUIRE(disk.make_directory("/d", 0700));
        put(disk, text);
        CHECK_FALSE(read_frozen(disk, "/d"));
    }
}

TEST_CASE("a write that fails, or a power loss at any step, leaves the old list or the new") {
    const Frozen before{false, {"a.example"}};
    const Frozen after{true, {"b.example"}};
    for (std::size_t step = 0; step < 8; ++step) {
        CAPTURE(step);
        test::FaultDisk disk(step + 1);
        REQUIRE(disk.make_directory("/d", 0700));
        REQUIRE(write_frozen(disk, "/d", before));
        disk.fail_at(step, EIO, 100);
        const auto written = write_frozen(disk, "/d", after);
        disk.fail_never();
        disk.power_loss();
        const auto read = read_frozen(disk, "/d");
        REQUIRE(read);
        CHECK((*read == before || *read == after));
        if (written) CHECK(*read == after);
        REQUIRE(write_frozen(disk, "/d", after));  // what is left over does not stand in the way
        CHECK(*read_frozen(disk, "/d") == after);
    }
}
