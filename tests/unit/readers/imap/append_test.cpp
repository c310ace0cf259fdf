#include <doctest/doctest.h>

#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string literal(const std::string& text) { return "{" + std::to_string(text.size()) + "+}\r\n" + text; }

}  // namespace

TEST_CASE("REPLACE puts a message in another one's place (RFC 8508)") {
    ImapFixture f;
    for (int i = 0; i < 3; ++i) f.put("Subject: " + std::to_string(i) + "\r\n\r\nx\r\n");
    auto client = f.in("INBOX");
    const auto told =
        f.say(*client, "a REPLACE 2 INBOX (\\Seen \\Draft) " + literal("Subject: new\r\n\r\ny\r\n") + "\r\n");
    CHECK(has(told, "* OK [APPENDUID "));
    CHECK(has(told, " 4] "));
    CHECK(has(told, "* 2 EXPUNGE\r\n* 3 EXISTS\r\n"));
    CHECK(told.ends_with("a OK Replaced\r\n"));
    CHECK(f.say(*client, "b FETCH 1:* (UID FLAGS)\r\n") ==
          "* 1 FETCH (UID 1 FLAGS ())\r\n* 2 FETCH (UID 3 FLAGS ())\r\n* 3 FETCH (UID 4 FLAGS (\\Seen \\Draft))\r\n"
          "b OK Fetched\r\n");
    // Into another mailbox, by UID.
    CHECK(f.say(*client, "c UID REPLACE 3 Sent " + literal("Subject: sent\r\n\r\nz\r\n") + "\r\n")
              .ends_with("c OK Replaced\r\n"));
    CHECK(f.store.content(f.ann).size() == 2);
    CHECK(has(f.say(*client, "d UID FETCH 1:* UID\r\n"), "* 2 FETCH (UID 4)\r\nd OK"));
}

TEST_CASE("REPLACE that cannot be done leaves all as it was") {
    ImapFixture f;
    f.put("Subject: 1\r\n\r\nx\r\n");
    auto idle = f.in();
    CHECK(has(f.say(*idle, "a REPLACE 1 INBOX " + literal("y") + "\r\n"), "a BAD "));
    auto client = f.in("INBOX");
    CHECK(has(f.say(*client, "b REPLACE 2 INBOX " + literal("y") + "\r\n"), "b BAD "));
    CHECK(has(f.say(*client, "c UID REPLACE 9 INBOX " + literal("y") + "\r\n"), "c NO [NONEXISTENT]"));
    CHECK(has(f.say(*client, "d REPLACE 1 Nowhere " + literal("y") + "\r\n"), "d NO [TRYCREATE]"));
    CHECK(has(f.say(*client, "e EXAMINE INBOX\r\n"), "e OK"));
    CHECK(has(f.say(*client, "f REPLACE 1 INBOX " + literal("y") + "\r\n"), "f NO [READ-ONLY]"));
    CHECK(f.say(*client, "g FETCH 1:* UID\r\n") == "* 1 FETCH (UID 1)\r\ng OK Fetched\r\n");
}

TEST_CASE("CATENATE makes a message of parts of others (RFC 4469)") {
    ImapFixture f;
    f.put("Subject: first\r\nX-Odd: 1\r\n\r\nthe first body\r\n");
    auto client = f.in("INBOX");
    const auto told =
        f.say(*client,
              "a APPEND INBOX (\\Seen) CATENATE (URL \"/INBOX/;UID=1/;section=HEADER.FIELDS%20(Subject)\""
              " TEXT " +
                  literal("-- a line --\r\n") + " URL \"/inbox/;UID=1/;section=TEXT/;PARTIAL=4.5\")\r\n");
    CHECK(has(told, "a OK [APPENDUID "));
    CHECK(has(f.say(*client, "b FETCH 2 BODY.PEEK[]\r\n"), "Subject: first\r\n\r\n-- a line --\r\nfirst)"));
    // URLs alone, relative to what is selected.
    CHECK(has(f.say(*client, "c APPEND INBOX CATENATE (URL \";UID=1\" URL \";UID=1/;SECTION=TEXT\")\r\n"),
              "c OK [APPENDUID "));
    CHECK(has(f.say(*client, "d FETCH 3 BODY.PEEK[]\r\n"),
              "Subject: first\r\nX-Odd: 1\r\n\r\nthe first body\r\nthe first body\r\n)"));
    CHECK(has(f.say(*client, "e FETCH 3 ENVELOPE\r\n"), "\"first\""));
}

TEST_CASE("a URL that names nothing is said, and nothing is stored") {
    ImapFixture f;
    f.put("Subject: first\r\n\r\nbody\r\n");
    auto client = f.in("INBOX");
    int tag = 0;
    for (const auto* url :
         {"/INBOX/;UID=2", "/Nowhere/;UID=1", "/INBOX;UIDVALIDITY=7/;UID=1", "/INBOX/;UID=1/;SECTION=4",
          "imap://other.example/INBOX/;UID=1", "imap://bob@mx.example.org/INBOX/;UID=1", "nonsense"}) {
        INFO(url);
        const auto a = "a" + std::to_string(++tag);
        CHECK(f.say(*client, a + " APPEND INBOX CATENATE (TEXT " + literal("x") + " URL \"" + url + "\")\r\n") ==
              a + " NO [BADURL \"" + url + "\"] That URL names nothing here\r\n");
    }
    CHECK(has(f.say(*client,
                    "b APPEND INBOX CATENATE (URL \"imap://ann%40example.org@MX.example.org/INBOX/;UID=1\")\r\n"),
              "b OK"));
    CHECK(has(f.say(*client, "c APPEND INBOX CATENATE (URL)\r\n"), "c BAD "));
    CHECK(has(f.say(*client, "d APPEND INBOX\r\n"), "d BAD "));
    CHECK(f.store.content(f.ann).size() == 2);
    auto before = f.connect();
    CHECK(has(f.say(*before, "a APPEND INBOX CATENATE (URL \";UID=1\")\r\n"), "a BAD Log in first"));
}

TEST_CASE("what several messages need is asked for before they are sent") {
    ImapFixture f;
    f.provider.add("bob@example.org", "secret").quota.bytes = 100;
    auto client = f.connect();
    f.say(*client, "l LOGIN bob@example.org secret\r\n");
    client->heard();
    CHECK(f.say(*client, "a APPEND INBOX {60}\r\n") == "+ OK\r\n");
    CHECK(f.say(*client, std::string(60, 'x') + " {41}\r\n") == "a NO [OVERQUOTA] The quota is used up\r\n");
    CHECK(f.say(*client, "b APPEND INBOX {101}\r\n") == "b NO [OVERQUOTA] The quota is used up\r\n");
    CHECK(f.say(*client, "c APPEND INBOX {60}\r\n") == "+ OK\r\n");
    CHECK(has(f.say(*client, std::string(60, 'x') + " {40}\r\n"), "+ OK\r\n"));
    CHECK(has(f.say(*client, std::string(40, 'x') + "\r\n"), "c OK [APPENDUID "));
}

TEST_CASE("what one command takes by URL is bounded, however many messages it makes of it") {
    ImapFixture f;
    f.listener.limits.append_limit = 100;
    f.put(std::string(60, 'x'));
    auto client = f.in("INBOX");
    const std::string part = " CATENATE (URL \";UID=1\")";
    CHECK(has(f.say(*client, "a APPEND INBOX" + part + part + "\r\n"), "a NO [TOOBIG]"));
    CHECK(f.store.content(f.ann).size() == 1);
    CHECK(has(f.say(*client, "b APPEND INBOX" + part + " " + literal(std::string(60, 'y')) + "\r\n"),
              "b OK [APPENDUID "));
    CHECK(has(f.say(*client, "c APPEND INBOX" + part + "\r\n"), "c OK [APPENDUID "));
}

TEST_CASE("parts count together against the limit of a message") {
    ImapFixture f;
    f.listener.limits.append_limit = 100;
    auto client = f.in("INBOX");
    CHECK(has(f.say(*client, "a APPEND INBOX " + literal(std::string(60, 'x')) + "\r\n"), "a OK"));
    CHECK(has(
        f.say(*client, "b APPEND INBOX CATENATE (URL \";UID=1\" TEXT " + literal(std::string(41, 'y')) + ")\r\n"),
        "b NO [TOOBIG]"));
    CHECK(has(
        f.say(*client, "c APPEND INBOX CATENATE (TEXT " + literal(std::string(41, 'y')) + " URL \";UID=1\")\r\n"),
        "c NO [TOOBIG]"));
    CHECK(has(
        f.say(*client, "d APPEND INBOX CATENATE (URL \";UID=1\" TEXT " + literal(std::string(40, 'y')) + ")\r\n"),
        "d OK"));
}
