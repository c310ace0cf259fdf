#include "spool/impl/in_hand.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/log.hpp"
#include "spool/crash_note.hpp"

using namespace posthorn;
using namespace posthorn::spool;

namespace {

struct Place {
    Place() {
        char name[] = "/tmp/posthorn-hand-XXXXXX";
        dir = ::mkdtemp(name);
        path = dir + "/in-hand";
    }
    ~Place() { std::filesystem::remove_all(dir); }
    // A run of the daemon that ends with `id` in hand; `signal` 0: by a SIGKILL, which nobody can note.
    void run(const base::Ulid& id, int signal) const {
        auto hand = InHand::open(path);
        REQUIRE(hand.has_value());
        (*hand)->set(3, id);
        if (signal != 0) note_crash(signal);
    }
    std::vector<base::Ulid> guilty() const { return (*InHand::open(path))->take_guilty(); }

    std::string dir;
    std::string path;
    base::log::Capture quiet;
};

base::Ulid id_of(std::uint8_t n) {
    base::Ulid id;
    id.bytes[15] = n;
    return id;
}

}  // namespace

TEST_CASE("three crashes with a message in hand make it guilty, once") {
    const Place place;
    place.run(id_of(1), SIGSEGV);
    place.run(id_of(2), SIGABRT);
    place.run(id_of(1), SIGABRT);
    CHECK(place.guilty().empty());
    place.run(id_of(1), SIGSEGV);
    CHECK(place.guilty() == std::vector{id_of(1)});
    CHECK(place.guilty().empty());
    CHECK(place.quiet.contains(id_of(1).to_string()));
}

TEST_CASE("a kill blames nobody, nor does a crash with nothing in hand") {
    const Place place;
    for (int i = 0; i < 5; ++i) place.run(id_of(1), 0);
    for (int i = 0; i < 5; ++i) {
        auto hand = InHand::open(place.path);
        (*hand)->set(3, id_of(1));
        (*hand)->set(3, std::nullopt);
        note_crash(SIGSEGV);
    }
    CHECK(place.guilty().empty());
    note_crash(SIGSEGV);  // with no file mapped at all
}

TEST_CASE("many guilty ones: the oldest make room") {
    const Place place;
    for (std::uint8_t n = 1; n < 100; ++n) place.run(id_of(n), SIGSEGV);
    for (int i = 0; i < 3; ++i) place.run(id_of(200), SIGSEGV);
    CHECK(place.guilty() == std::vector{id_of(200)});
}
