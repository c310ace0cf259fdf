#include "base/utf8.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

TEST_CASE("valid_utf8") {
    for (const char* good :
         {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x93\xaf", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
        CAPTURE(good);
        CHECK(valid_utf8(good));
    }
    for (const char* bad :
         {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff", "a\xc3(b"}) {
        CAPTURE(bad);
        CHECK_FALSE(valid_utf8(bad));
    }
}

TEST_CASE("printable") {
    CHECK(printable("plain text", 100) == "plain text");
    CHECK(printable("\r\na\r\n\tb\x1b[31m\r\n", 100) == "a b [31m");
    CHECK(printable("a\xff\xc2\x9b"
                    "b\x7f"
                    "c",
                    100) == "a? b c");
    CHECK(printable("\xc3\xa9\xc3\xa9", 3) == "\xc3\xa9");
    CHECK(printable("abc", 2) == "ab");
    CHECK(printable("abc", 0).empty());
    CHECK(printable("a b\nlonger text", 7) == "a b lon");
    CHECK(printable("ab\xc3\xa9"
                    "cd\r\n\r\ne",
                    100) ==
          "ab\xc3\xa9"
          "cd e");
    CHECK(printable("ab\n", 100) == "ab");
}
