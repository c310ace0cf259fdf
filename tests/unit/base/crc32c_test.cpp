#include "base/crc32c.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/random.hpp"

using namespace posthorn::base;

TEST_CASE("crc32c has the values RFC 3720 B.4 gives") {
    std::string bytes(32, '\0');
    CHECK(crc32c(0, bytes) == 0x8A9136AA);
    bytes.assign(32, '\xFF');
    CHECK(crc32c(0, bytes) == 0x62A8AB43);
    for (int i = 0; i < 32; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(i);
    CHECK(crc32c(0, bytes) == 0x46DD794E);
    CHECK(crc32c(0, "123456789") == 0xE3069283);
    CHECK(crc32c(7, "") == 7);
}

TEST_CASE("crc32c: both ways agree, for any cut and seed") {
    SeededRandom random(3);
    for (int round = 0; round < 200; ++round) {
        std::string bytes(random.below(300), '\0');
        for (auto& c : bytes) c = static_cast<char>(random.next());
        const auto seed = static_cast<std::uint32_t>(random.next());
        const auto cut = random.below(bytes.size() + 1);
        const auto whole = crc32c_portable(seed, bytes);
        REQUIRE(crc32c(seed, bytes) == whole);
        REQUIRE(crc32c(crc32c(seed, bytes.substr(0, cut)), bytes.substr(cut)) == whole);
    }
}
