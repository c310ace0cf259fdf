#include "base/json.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

TEST_CASE("the JSON writer keeps the commas") {
    JsonWriter json;
    json.object().field("a", 1).key("b").array().value("x").value(true).null().end();
    json.key("c").object().end().field("d", 0.25).end();
    CHECK(json.text() == R"({"a":1,"b":["x",true,null],"c":{},"d":0.25})");
}

TEST_CASE("JSON strings: what must be escaped, wherever it stands") {
    std::string out;
    append_json_string(out, "plain \"quoted\" back\\slash\ttab\r\n\x01\x7f \xc3\xa9 \xff end");
    CHECK(out == "\"plain \\\"quoted\\\" back\\\\slash\\ttab\\r\\n\\u0001\\u007f \xc3\xa9 \\ufffd end\"");
    out.clear();
    append_json_string(out,
                       "\xc2\x9b"
                       "2J \xc2\xa0");  // CSI, which terminals obey; a space that may stay
    CHECK(out == "\"\\u009b2J \xc2\xa0\"");
    out.clear();
    append_json_string(out, "");
    CHECK(out == "\"\"");
}
