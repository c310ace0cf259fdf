#include "proto/imap/append_parser.hpp"

#include <doctest/doctest.h>

using namespace posthorn::imap;
using Kind = AppendEvent::Kind;

namespace {

std::vector<Kind> kinds(const std::vector<AppendEvent>& events) {
    std::vector<Kind> out;
    for (const auto& event : events) out.push_back(event.kind);
    return out;
}

std::vector<AppendEvent> must(AppendParser& parser, std::string_view text, bool announced) {
    auto parsed = parser.parse(text, announced);
    if (!parsed) FAIL(parsed.error());
    REQUIRE(*parsed);
    return **parsed;
}

}  // namespace

TEST_CASE("APPEND of one message") {  // RFC 9051 §6.3.12
    const std::string_view text = "A003 APPEND saved-messages (\\Seen $Work) \" 7-Feb-1994 21:52:25 -0800\" ";
    REQUIRE(AppendParser::wants(text));
    AppendParser parser(text, false);
    CHECK(parser.tag() == "A003");
    const auto events = must(parser, text, true);
    CHECK(kinds(events) == std::vector{Kind::open, Kind::message, Kind::literal});
    CHECK(events[0].text == "saved-messages");
    CHECK(events[1].flags == FlagList{flag::seen, {"$Work"}});
    CHECK(events[1].date == 760686745000);
    CHECK(kinds(must(parser, "", false)) == std::vector{Kind::message_end, Kind::end});
}

TEST_CASE("APPEND of several, with a name that is a literal") {  // RFC 3502
    AppendParser parser("a append {5+}\r\nSent!", false);
    const auto waits = parser.parse("a append ", true);
    REQUIRE(waits);
    CHECK_FALSE(*waits);
    CHECK(must(parser, "a append {5+}\r\nSent! ", true)[0].text == "Sent!");
    CHECK(kinds(must(parser, " (\\Deleted) ", true)) ==
          std::vector{Kind::message_end, Kind::message, Kind::literal});
    CHECK(kinds(must(parser, "", false)) == std::vector{Kind::message_end, Kind::end});
}

TEST_CASE("CATENATE") {  // RFC 4469 §6
    const std::string_view text =
        "A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL \"/Drafts;UIDVALIDITY=385759045/;UID=20/"
        ";section=HEADER\" TEXT ";
    AppendParser parser(text, false);
    const auto events = must(parser, text, true);
    CHECK(kinds(events) == std::vector{Kind::open, Kind::message, Kind::url, Kind::literal});
    CHECK(events[2].text == "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER");
    CHECK(kinds(must(parser, " URL x)", false)) == std::vector{Kind::url, Kind::message_end, Kind::end});
}

TEST_CASE("UTF8 and REPLACE") {
    AppendParser utf8("a APPEND x UTF8 (", true);
    CHECK(must(utf8, "a APPEND x UTF8 (", true)[1].utf8);
    CHECK(kinds(must(utf8, ")", false)) == std::vector{Kind::message_end, Kind::end});
    AppendParser replace("a UID REPLACE 7 Drafts ", false);  // RFC 8508
    const auto events = must(replace, "a UID REPLACE 7 Drafts ", true);
    CHECK(events[0].uid);
    CHECK(events[0].replaces == SequenceSet{.ranges = {{7, 7}}});
    CHECK_FALSE(replace.parse(" ", true));  // one replaces one
}

TEST_CASE("what is no APPEND") {
    for (const std::string_view other : {"a NOOP", "a UID APPEND x ", "a", "", "APPEND x", "a UID FETCH 1 FLAGS"}) {
        CHECK_FALSE(AppendParser::wants(other));
    }
    for (const std::string_view bad : {"a APPEND", "a APPEND x", "a APPEND x y", "a APPEND x (\\Recent) ",
                                       "a APPEND x (", "a APPEND x \"1-Jan-2026\" ", "a APPEND x CATENATE ()",
                                       "a APPEND x CATENATE (TEXT x)", "a APPEND x UTF8 x"}) {
        CAPTURE(bad);
        AppendParser parser(bad, false);
        CHECK_FALSE(parser.parse(bad, false));
    }
}
