#include "base/json.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

TEST_CASE("the JSON writer keeps the commas") {
    JsonWriter json;
    json.object().field("a", 1).key("b").array().value("x").value(true).null().end();
    json.key("c").object().end().field("d", 0.25).end();
    CHECK(json.text() == R"({"a":1,"b":["x",true,null],"c":{},"d":0.25})");
}
