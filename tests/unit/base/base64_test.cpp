#include "base/base64.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

TEST_CASE("base64: the vectors of RFC 4648 §10") {
    const char* pairs[][2] = {{"", ""},
                              {"f", "Zg=="},
                              {"fo", "Zm8="},
                              {"foo", "Zm9v"},
                              {"foob", "Zm9vYg=="},
                              {"fooba", "Zm9vYmE="},
                              {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, coded] : pairs) {
        CHECK(base64_encode(plain) == coded);
        CHECK(base64_decode(coded) == plain);
    }
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    CHECK(base64_decode(base64_encode(all)) == all);
}

TEST_CASE("base64: malformed") {
    for (const char* bad :
         {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zm 9", "Zg==Zg==", "Zm9v\n", "Zm-_"}) {
        CAPTURE(bad);
        CHECK_FALSE(base64_decode(bad));
    }
}
