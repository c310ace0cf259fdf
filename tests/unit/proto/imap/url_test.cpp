#include "proto/imap/url.hpp"

#include <doctest/doctest.h>

using namespace posthorn::imap;
using What = Section::What;

TEST_CASE("URLs of messages in our own mailboxes (RFC 4469 §6, RFC 5092)") {
    auto url = parse_message_url("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER");
    REQUIRE(url);
    CHECK_FALSE(url->host);
    CHECK(url->mailbox == "Drafts");
    CHECK(url->uid_validity == 385759045);
    CHECK(url->uid == 20);
    CHECK(url->section == Section{.what = What::header});
    url = parse_message_url("/Drafts;UIDVALIDITY=385759045/;UID=30/;section=1.2.MIME");
    REQUIRE(url);
    CHECK(url->section == Section{.part = {1, 2}, .what = What::mime});
    url = parse_message_url("/INBOX/;UID=785/;section=TEXT/;PARTIAL=10.20");
    REQUIRE(url);
    CHECK(url->section.what == What::text);
    CHECK(url->offset == 10);
    CHECK(url->count == 20);
    url = parse_message_url("/INBOX/;UID=1/;PARTIAL=7");
    REQUIRE(url);
    CHECK(url->offset == 7);
    CHECK_FALSE(url->count);
    url = parse_message_url("/gray/%C3%BC%20b/;uid=7");
    REQUIRE(url);
    CHECK(url->mailbox == "gray/\u00fc b");
    CHECK(url->section == Section{});
    url = parse_message_url(";UID=3/;SECTION=HEADER.FIELDS%20(Subject%20To)");
    REQUIRE(url);
    CHECK(url->mailbox.empty());
    CHECK(url->section.fields == std::vector<std::string>{"Subject", "To"});
}

TEST_CASE("absolute URLs name a server, and perhaps a user") {
    auto url = parse_message_url("imap://ann%40example.org;AUTH=*@mx.example.org:143/INBOX/;UID=5");
    REQUIRE(url);
    CHECK(url->host == "mx.example.org");
    CHECK(url->user == "ann@example.org");
    CHECK(url->mailbox == "INBOX");
    url = parse_message_url("IMAP://mx.example.org/a/b;UIDVALIDITY=1/;UID=5");
    REQUIRE(url);
    CHECK(url->user.empty());
    CHECK(url->mailbox == "a/b");
}

TEST_CASE("what is no such URL") {
    for (const auto* text : {"",
                             "/",
                             "/INBOX",
                             "/INBOX/",
                             "/INBOX;UID=5",
                             "/INBOX/;UID=0",
                             "/INBOX/;UID=x",
                             "/INBOX/;UID=4294967296",
                             "/INBOX/;UID=5/;SECTION=NOTHING",
                             "/INBOX/;UID=5/;SECTION=1]x[",
                             "/INBOX/;UID=5/;PARTIAL=",
                             "/INBOX/;UID=5;UID=6",
                             "/INBOX/;UID=5/;UID=6",
                             "/IN%ZZBOX/;UID=5",
                             "/IN%00BOX/;UID=5",
                             "/%FF/;UID=5",
                             "/INBOX;UIDVALIDITY=0/;UID=5",
                             "/INBOX/;UID=5/;URLAUTH=anonymous",
                             "imap://",
                             "imap://host",
                             "imap:///INBOX/;UID=5",
                             "imap://@h/INBOX/;UID=5",
                             "http://x/INBOX/;UID=5/junk",
                             "/INBOX/;UID=5/junk"}) {
        INFO(text);
        CHECK_FALSE(parse_message_url(text));
    }
}
