#include "spool/impl/room.hpp"

#include <doctest/doctest.h>

using posthorn::spool::Room;

TEST_CASE("what bodies have written since the last look counts against the reserve") {
    Room room(100);
    CHECK(room.holds(1));  // not looked at yet: the disk itself will say
    room.seen(1000);
    CHECK(room.holds(900));
    CHECK_FALSE(room.holds(901));
    CHECK_FALSE(room.holds(UINT64_MAX));  // a client may announce it
    CHECK(room.take(600));
    CHECK_FALSE(room.take(301));
    CHECK(room.take(300));
    CHECK_FALSE(room.take(1));
    CHECK(room.holds(0));
    room.seen(50);
    CHECK_FALSE(room.holds(0));
    CHECK_FALSE(room.holds(std::uint64_t{1} << 63U));
    CHECK_FALSE(room.take(1));
    room.seen(UINT64_MAX);
    CHECK(room.take(1));
}
