#include <doctest/doctest.h>

#include "base/json_value.hpp"

using namespace posthorn::base;

TEST_CASE("a JSON text is read into values") {
    const auto json = read_json(R"({"a":[1,-2.5,true,null,"x\u00e9\n"],"b":{"c":{}},"big":18446744073709551615})");
    REQUIRE(json);
    CHECK((*json)["a"][0].integer() == 1);
    CHECK((*json)["a"][0].number() == 1.0);
    CHECK((*json)["a"][1].number() == -2.5);
    CHECK_FALSE((*json)["a"][1].integer());
    CHECK((*json)["a"][2].boolean() == true);
    CHECK((*json)["a"][3].null());
    CHECK(*(*json)["a"][4].string() == "x\xc3\xa9\n");
    CHECK((*json)["b"]["c"].object()->empty());
    CHECK((*json)["big"].number() == doctest::Approx(18446744073709551615.0));
    CHECK(json->object()->front().first == "a");
}

TEST_CASE("what is not there reads as null") {
    const auto json = read_json(R"([{"a":1}])");
    REQUIRE(json);
    CHECK((*json)["a"].null());
    CHECK((*json)[1].null());
    CHECK((*json)[0]["b"]["c"][7].null());
    CHECK((*json)[0]["a"].string() == nullptr);
}

TEST_CASE("what is no JSON, no UTF-8 or too deep is refused") {
    for (const auto* bad : {"", "{", "[1,]", "{\"a\":}", "nul", "1 2", "[\"\xff\"]", "\"\\ud800\"", "{1:2}"}) {
        CAPTURE(bad);
        CHECK_FALSE(read_json(bad));
    }
    CHECK_FALSE(read_json(std::string_view("[\"a\0b\"]", 7)));
    CHECK(read_json(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')));
    CHECK_FALSE(read_json(std::string(kMaxJsonDepth + 1, '[') + std::string(kMaxJsonDepth + 1, ']')));
    CHECK_FALSE(read_json(std::string(1'000'000, '[')));
}
