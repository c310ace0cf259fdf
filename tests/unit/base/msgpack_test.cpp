#include "base/msgpack.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

using namespace posthorn::base;

TEST_CASE("msgpack: integers in every width") {
    for (const std::int64_t value : {std::int64_t{0},
                                     std::int64_t{127},
                                     std::int64_t{128},
                                     std::int64_t{255},
                                     std::int64_t{256},
                                     std::int64_t{65535},
                                     std::int64_t{65536},
                                     std::int64_t{4294967295},
                                     std::int64_t{4294967296},
                                     std::int64_t{-1},
                                     std::int64_t{-32},
                                     std::int64_t{-33},
                                     std::int64_t{-128},
                                     std::int64_t{-129},
                                     std::int64_t{-32768},
                                     std::int64_t{-32769},
                                     std::int64_t{-2147483648},
                                     std::int64_t{-2147483649},
                                     std::numeric_limits<std::int64_t>::max(),
                                     std::numeric_limits<std::int64_t>::min()}) {
        CAPTURE(value);
        MsgpackWriter out;
        out.integer(value);
        std::int64_t back = 0;
        MsgpackReader in(out.bytes());
        CHECK(in.integer(back));
        CHECK(back == value);
        CHECK(in.at_end());
        MsgpackReader skipping(out.bytes());
        CHECK(skipping.skip());
        CHECK(skipping.at_end());
        std::uint64_t positive = 0;
        CHECK(MsgpackReader(out.bytes()).uinteger(positive) == (value >= 0));
    }
    MsgpackWriter large;
    large.uinteger(std::numeric_limits<std::uint64_t>::max());
    std::int64_t ignored = 0;
    CHECK_FALSE(MsgpackReader(large.bytes()).integer(ignored));
}

TEST_CASE("msgpack: strings, binary and containers in every width") {
    for (const std::size_t size : {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536}) {
        CAPTURE(size);
        const std::string text(size, 'x');
        MsgpackWriter out;
        out.array(size);
        for (std::size_t i = 0; i < size; ++i) out.nil();
        out.map(size);
        for (std::size_t i = 0; i < 2 * size; ++i) out.boolean(true);
        out.str(text);
        out.bin(text);
        MsgpackReader in(out.bytes());
        CHECK(in.peek() == MsgpackReader::Type::array);
        CHECK(in.skip());
        CHECK(in.peek() == MsgpackReader::Type::map);
        CHECK(in.skip());
        std::string_view back;
        CHECK(in.str(back));
        CHECK(back == text);
        CHECK(in.bin(back));
        CHECK(back == text);
        CHECK(in.at_end());
    }
}

TEST_CASE("msgpack: a reader that failed stays failed") {
    MsgpackWriter out;
    out.str("a");
    out.number(2.5);
    MsgpackReader in(out.bytes());
    std::uint64_t number = 0;
    std::string_view text;
    CHECK_FALSE(in.uinteger(number));
    CHECK_FALSE(in.str(text));
    CHECK(in.failed());
    MsgpackReader again(out.bytes());
    double value = 0;
    CHECK(again.skip());
    CHECK(again.number(value));
    CHECK(value == 2.5);
}

TEST_CASE("msgpack: hostile input") {
    for (const std::string_view bad :
         {std::string_view("\xc1"), std::string_view("\xd9"), std::string_view("\xd9\x05xx"),
          std::string_view("\xdb\xff\xff\xff\xff"), std::string_view("\xdf\xff\xff\xff\xff"),
          std::string_view("\xdd\x00\x00\x00\x02\xc0", 6), std::string_view("\xc9\xff\xff\xff\xff")}) {
        CHECK_FALSE(MsgpackReader(bad).skip());
    }
    CHECK(MsgpackReader(std::string_view("\xc7\x02\x01xy", 5)).skip());
    CHECK(MsgpackReader(std::string_view("\xd8\x01xxxxxxxxxxxxxxxx", 18)).skip());
    CHECK(MsgpackReader(std::string(MsgpackReader::kMaxDepth - 1, '\x91') + "\xc0").skip());
    CHECK_FALSE(MsgpackReader(std::string(MsgpackReader::kMaxDepth, '\x91') + "\xc0").skip());
}
