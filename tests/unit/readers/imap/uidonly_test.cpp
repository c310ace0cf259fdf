#include <doctest/doctest.h>

#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;

TEST_CASE("with UIDONLY nothing is said by number (RFC 9586)") {
    ImapFixture f;
    for (int i = 0; i < 4; ++i) f.put("Subject: x\r\n\r\nx\r\n");
    auto one = f.in();
    CHECK(f.say(*one, "a ENABLE UIDONLY\r\n") == "* ENABLED UIDONLY\r\na OK Enabled\r\n");
    f.say(*one, "b SELECT INBOX\r\n");
    auto two = f.in("INBOX");
    f.say(*two, "c STORE 1:2 +FLAGS.SILENT (\\Deleted)\r\nd EXPUNGE\r\n");
    CHECK(f.say(*one, "e NOOP\r\n") == "* VANISHED 1:2\r\ne OK Done\r\n");
    CHECK(f.say(*one, "f UID FETCH 1:* FLAGS\r\n") ==
          "* 3 UIDFETCH (FLAGS ())\r\n* 4 UIDFETCH (FLAGS ())\r\nf OK Fetched\r\n");
    CHECK(f.say(*one, "g UID FETCH 3 (UID BODY[TEXT])\r\n") ==
          "* 3 UIDFETCH (UID 3 BODY[TEXT] {3}\r\nx\r\n FLAGS (\\Seen))\r\ng OK Fetched\r\n");
    CHECK(f.say(*one, "h UID STORE 4 +FLAGS (\\Flagged)\r\n") ==
          "* 4 UIDFETCH (FLAGS (\\Flagged))\r\nh OK Stored\r\n");
    f.say(*two, "i STORE 1 +FLAGS.SILENT (\\Answered)\r\n");
    CHECK(f.say(*one, "j NOOP\r\n") == "* 3 UIDFETCH (FLAGS (\\Answered \\Seen))\r\nj OK Done\r\n");
    CHECK(f.say(*one, "k UID SEARCH FLAGGED\r\n") == "* SEARCH 4\r\nk OK Searched\r\n");
    CHECK(f.say(*one, "l UID MOVE 3 Sent\r\n").find("* VANISHED 3\r\n") != std::string::npos);
}

TEST_CASE("and commands that say numbers are refused") {
    ImapFixture f;
    f.put("Subject: x\r\n\r\nx\r\n");
    auto client = f.in("INBOX");
    f.say(*client, "a ENABLE UIDONLY\r\n");
    for (const std::string command :
         {"FETCH 1 FLAGS", "STORE 1 FLAGS ()", "COPY 1 Sent", "MOVE 1 Sent", "SEARCH ALL", "UID SEARCH 1",
          "UID SEARCH OR UNSEEN NOT 1:*", "SORT (DATE) UTF-8 ALL", "UID SORT (DATE) UTF-8 1",
          "THREAD REFERENCES UTF-8 ALL", "UID THREAD REFERENCES UTF-8 1", "REPLACE 1 INBOX {1+}\r\nx"}) {
        INFO(command);
        CHECK(f.say(*client, "b " + command + "\r\n") == "b BAD [UIDREQUIRED] Only UIDs are spoken of here\r\n");
    }
    CHECK(f.say(*client, "c UID SEARCH RETURN (SAVE) ALL\r\nd UID FETCH $ FLAGS\r\n") ==
          "c OK Searched\r\n* 1 UIDFETCH (FLAGS ())\r\nd OK Fetched\r\n");
}
