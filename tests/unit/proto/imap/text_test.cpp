#include "proto/imap/text.hpp"

#include <doctest/doctest.h>

using namespace posthorn::imap;
using namespace std::string_literals;

namespace {

template <class F>
std::string put(F&& fn) {
    std::string out;
    fn(out);
    return out;
}

std::string string(std::string_view text, bool utf8 = false) {
    return put([&](auto& out) { put_string(out, text, utf8); });
}

}  // namespace

TEST_CASE("strings: quoted where they can be, else literals") {
    CHECK(string("a\"b\\c") == "\"a\\\"b\\\\c\"");
    CHECK(string("") == "\"\"");
    CHECK(string("a\r\nb") == "{4}\r\na\r\nb");
    CHECK(string("\u00e4") == "{2}\r\n\u00e4");
    CHECK(string("\u00e4", true) == "\"\u00e4\"");
    CHECK(string("\xff", true) == "{1}\r\n\xff");
    CHECK(string("a\0b"s) ==
          "{3}\r\na\x80"
          "b");
    CHECK(put([](auto& out) { put_nstring(out, "", false); }) == "NIL");
    CHECK(put([](auto& out) { put_astring(out, "INBOX", false); }) == "INBOX");
    CHECK(put([](auto& out) { put_astring(out, "nil", false); }) == "\"nil\"");
    CHECK(put([](auto& out) { put_astring(out, "a b", false); }) == "\"a b\"");
    CHECK(put([](auto& out) { put_mailbox(out, "Entw\u00fcrfe", false); }) == "Entw&APw-rfe");
    CHECK(put([](auto& out) { put_mailbox(out, "Entw\u00fcrfe", true); }) == "\"Entw\u00fcrfe\"");
}

TEST_CASE("flags and dates") {
    const std::vector<std::string> keywords{"$Forwarded", "$Junk"};
    CHECK(put([&](auto& out) { put_flags(out, flag::seen | flag::answered | 64, keywords); }) ==
          "(\\Answered \\Seen $Junk)");
    CHECK(put([&](auto& out) { put_flags(out, 0, keywords); }) == "()");
    CHECK(put([](auto& out) { put_date_time(out, 760686745000); }) == "\" 8-Feb-1994 05:52:25 +0000\"");
    CHECK(put([](auto& out) { put_date_time(out, -1); }) == "\"31-Dec-1969 23:59:59 +0000\"");
}

TEST_CASE("ESEARCH") {  // RFC 4731 §3.1, RFC 9394 §3.1
    const NumberSet found{2, 10, 11, 12, 13, 14, 15, 21};
    const auto esearch = [&](Results results, const NumberSet& set, std::uint64_t modseq = 0) {
        results.given = true;
        return put([&](auto& out) { put_esearch(out, "A282", true, results, set, modseq); });
    };
    CHECK(esearch({.min = true, .max = true, .count = true}, found) ==
          "* ESEARCH (TAG \"A282\") UID MIN 2 MAX 21 COUNT 8\r\n");
    CHECK(esearch({.all = true}, found) == "* ESEARCH (TAG \"A282\") UID ALL 2,10:15,21\r\n");
    CHECK(esearch({.all = true}, found, 917162500) ==
          "* ESEARCH (TAG \"A282\") UID ALL 2,10:15,21 MODSEQ 917162500\r\n");
    CHECK(esearch({.min = true, .all = true, .count = true}, {}) == "* ESEARCH (TAG \"A282\") UID COUNT 0\r\n");
    CHECK(esearch({.partial = std::pair{2, 4}}, found) == "* ESEARCH (TAG \"A282\") UID PARTIAL (2:4 10:12)\r\n");
    CHECK(esearch({.partial = std::pair{-1, -3}}, found) ==
          "* ESEARCH (TAG \"A282\") UID PARTIAL (-1:-3 14:15,21)\r\n");
    CHECK(esearch({.partial = std::pair{100, 200}}, found) ==
          "* ESEARCH (TAG \"A282\") UID PARTIAL (100:200 NIL)\r\n");
}
