#include "base/sha256.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

TEST_CASE("sums are those of the standard's examples") {
    CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(hex(sha256(std::string(1'000'000, 'a'))) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sums are equal only when every octet is") {
    const auto a = sha256("a");
    CHECK(equal_in_constant_time(a, sha256("a")));
    for (std::size_t i = 0; i < a.size(); ++i) {
        auto b = a;
        b[i] ^= 1;
        CHECK_FALSE(equal_in_constant_time(a, b));
    }
}
