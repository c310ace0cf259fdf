#include "proto/imap/utf7.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace posthorn::imap;

TEST_CASE("modified UTF-7") {
    const std::pair<std::string_view, std::string_view> names[]{
        {"INBOX", "INBOX"},
        {"A & B", "A &- B"},
        {"Entw\u00fcrfe", "Entw&APw-rfe"},
        {"~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},  // RFC 3501 §5.1.3
        {"\U0001F600", "&2D3eAA-"},
        {"\u00e4&\u00e4", "&AOQ-&-&AOQ-"},
    };
    for (const auto& [utf8, coded] : names) {
        CHECK(encode_utf7(utf8) == coded);
        CHECK(decode_utf7(coded) == std::string(utf8));
    }
}

TEST_CASE("what is no modified UTF-7") {
    for (const std::string_view bad : {"&", "a&b", "&AGE-", "&Jjo!-", "&2D0-", "&3gA-", "&APx-", "&A-", "&AA-"}) {
        CAPTURE(bad);
        CHECK_FALSE(decode_utf7(bad));
    }
    CHECK(decode_utf7("Entw\u00fcrfe & mehr") == "Entw\u00fcrfe & mehr");  // UTF-8 as it is
    CHECK_FALSE(decode_utf7("\xff"));
}

TEST_CASE("any name comes back") {
    std::mt19937 random(3);
    const std::string_view letters[]{"a", "&", "-", ",", "/", " ", "\u00e9", "\u4e2d", "\U0001F4EC", "~", "\x01"};
    for (int run = 0; run < 2000; ++run) {
        std::string name;
        for (auto n = random() % 12; n > 0; --n) name += letters[random() % std::size(letters)];
        REQUIRE(decode_utf7(encode_utf7(name)) == name);
    }
}
