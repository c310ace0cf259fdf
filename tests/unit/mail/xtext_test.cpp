#include "mail/xtext.hpp"

#include <doctest/doctest.h>

using namespace posthorn::mail;

TEST_CASE("xtext") {
    CHECK(xtext_encode("user@example.org") == "user@example.org");
    CHECK(xtext_encode("a+b=c d\n") == "a+2Bb+3Dc+20d+0A");
    CHECK(xtext_decode("a+2Bb+3dc+20d") == "a+b=c d");
    for (const char* bad : {"+", "+2", "+GG", "a b", "a=b", "\xc3\xa9", "a\r\n"}) {
        CAPTURE(bad);
        CHECK_FALSE(xtext_decode(bad));
    }
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    CHECK(xtext_decode(xtext_encode(all)) == all);
}

TEST_CASE("utf-8 address forms") {
    const std::string address = "caf\xc3\xa9+=\\\xf0\x9f\x93\xaf@ex.org";
    CHECK(utf8_addr_xtext_encode(address) == "caf\\x{E9}\\x{2B}\\x{3D}\\x{5C}\\x{1F4EF}@ex.org");
    CHECK(utf8_addr_decode(utf8_addr_xtext_encode(address)) == address);
    CHECK(utf8_addr_decode("caf\xc3\xa9@ex.org") == "caf\xc3\xa9@ex.org");
    for (const char* bad : {"\\", "\\x", "\\x{", "\\x{}", "\\x{A}", "\\x{D800}", "\\x{110000}", "\\x{0000041}",
                            "\\x{00}", "\\x{41", "a+b", "\xff"}) {
        CAPTURE(bad);
        CHECK_FALSE(utf8_addr_decode(bad));
    }
    CHECK(utf8_addr_xtext_encode("a\xff") == "a\\x{FFFD}");
}

TEST_CASE("ORCPT") {
    const auto plain = parse_orcpt("rfc822;user+40example.org");
    REQUIRE(plain);
    CHECK(plain->type == "rfc822");
    CHECK(plain->address == "user@example.org");
    CHECK(parse_orcpt("UTF-8;\\x{E9}@b")->address == "\xc3\xa9@b");
    for (const char* bad : {"", ";", "rfc822", "rfc822;", ";a", "r c;a", "rfc822;a b", "rfc822;+4"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_orcpt(bad));
    }
}

TEST_CASE("values of parameters") {
    CHECK(esmtp_value("abc+40", false));
    CHECK_FALSE(esmtp_value("a b", true));
    CHECK_FALSE(esmtp_value("a=b", true));
    CHECK_FALSE(esmtp_value("\xc3\xa9", false));
    CHECK(esmtp_value("\xc3\xa9", true));
    CHECK_FALSE(esmtp_value("\xc3", true));
}
