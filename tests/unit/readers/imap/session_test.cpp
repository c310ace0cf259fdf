#include <doctest/doctest.h>

#include "base/log.hpp"
#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string kMixed =
    "From: Ann <ann@example.org>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nX-Odd: needle\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nS2x15W0=\r\n--B\r\nContent-Type: application/octet-stream\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--B--\r\n";

}  // namespace

TEST_CASE("a mailbox is selected, read, changed and closed") {
    const base::log::Capture log;
    ImapFixture f;
    f.put("Subject: 1\r\n\r\none\r\n");
    f.put("Subject: 2\r\n\r\ntwo\r\n");
    auto client = f.connect();
    CHECK(client->heard().starts_with("* OK [CAPABILITY IMAP4rev2 IMAP4rev1 "));
    CHECK(has(f.say(*client, "a LOGIN ann@example.org secret\r\n"),
              "a OK [CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL- "));
    const auto selected = f.say(*client, "b SELECT inbox\r\n");
    CHECK(has(selected, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"));
    CHECK(has(selected, "* 2 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1]"));
    CHECK(has(selected, "* OK [UIDNEXT 3]"));
    CHECK(selected.ends_with("b OK [READ-WRITE] Selected\r\n"));
    CHECK(f.say(*client, "c FETCH 1:* (FLAGS UID BODY.PEEK[])\r\n") ==
          "* 1 FETCH (FLAGS () UID 1 BODY[] {19}\r\nSubject: 1\r\n\r\none\r\n)\r\n"
          "* 2 FETCH (FLAGS () UID 2 BODY[] {19}\r\nSubject: 2\r\n\r\ntwo\r\n)\r\nc OK Fetched\r\n");
    CHECK(f.say(*client, "d FETCH 1 BODY[TEXT]<1.2>\r\n") ==
          "* 1 FETCH (BODY[TEXT]<1> {2}\r\nne FLAGS (\\Seen))\r\nd OK Fetched\r\n");
    CHECK(f.say(*client, "e FETCH 1 FLAGS\r\n") == "* 1 FETCH (FLAGS (\\Seen))\r\ne OK Fetched\r\n");
    CHECK(f.say(*client, "f STORE 2 +FLAGS.SILENT (\\Deleted)\r\n") == "f OK Stored\r\n");
    CHECK(f.say(*client, "g STORE 1 FLAGS ($Foo)\r\n").ends_with("* 1 FETCH (FLAGS ($Foo))\r\ng OK Stored\r\n"));
    CHECK(f.say(*client, "h CLOSE\r\n") == "h OK Closed\r\n");
    CHECK(f.store.content(f.ann).size() == 1);
    CHECK(f.say(*client, "i LOGOUT\r\n") == "* BYE Goodbye\r\ni OK Logged out\r\n");
    CHECK(client->closed());
    CHECK(log.contains("imap.session"));
    CHECK_FALSE(log.contains("secret"));
}

TEST_CASE("FETCH shows what a message is made of") {
    ImapFixture f;
    f.put(kMixed);
    auto client = f.in("INBOX");
    CHECK(has(f.say(*client, "a FETCH 1 ENVELOPE\r\n"),
              "ENVELOPE (NIL \"=?utf-8?q?gr=C3=BC=C3=9Fe?=\" ((\"Ann\" NIL \"ann\" \"example.org\"))"));
    CHECK(has(f.say(*client, "b FETCH 1 BODY\r\n"),
              "BODY ((\"text\" \"plain\" (\"charset\" \"iso-8859-1\") NIL NIL \"base64\" 8 0)(\"application\" "
              "\"octet-stream\" NIL NIL NIL \"base64\" 4) \"mixed\")"));
    CHECK(has(f.say(*client, "c FETCH 1 BODY.PEEK[1]\r\n"), "BODY[1] {8}\r\nS2x15W0=)"));
    CHECK(has(f.say(*client, "c FETCH 1 BODY.PEEK[7]\r\n"), "BODY[7] NIL)"));
    CHECK(has(f.say(*client, "d FETCH 1 (BINARY.SIZE[2] BINARY.PEEK[2])\r\n"),
              std::string("BINARY.SIZE[2] 3 BINARY[2] ~{3}\r\n\0\1\2)", 37)));
    CHECK(has(f.say(*client, "e FETCH 1 BODY.PEEK[HEADER.FIELDS (x-odd)]\r\n"),
              "BODY[HEADER.FIELDS (x-odd)] {17}\r\nX-Odd: needle\r\n\r\n)"));
    CHECK(f.say(*client, "f FETCH 1 (RFC822.SIZE INTERNALDATE SAVEDATE)\r\n") ==
          "* 1 FETCH (RFC822.SIZE " + std::to_string(kMixed.size()) +
              " INTERNALDATE \" 9-Sep-2001 01:46:40 +0000\" SAVEDATE NIL)\r\nf OK Fetched\r\n");
    CHECK(f.say(*client, "g FETCH 2 FLAGS\r\n") == "g BAD There is no message of that number\r\n");
    CHECK(f.say(*client, "h UID FETCH 9 FLAGS\r\n") == "h OK Fetched\r\n");
    CHECK(f.say(*client, "i UID FETCH 9:* FLAGS\r\n") == "* 1 FETCH (UID 1 FLAGS ())\r\ni OK Fetched\r\n");
}

TEST_CASE("SEARCH by flags, dates, headers and texts") {
    ImapFixture f;
    f.put("Subject: Hello\r\nDate: Wed, 17 Jul 1996 02:23:25 -0700\r\nX-Odd: yes\r\n\r\nfirst words\r\n");
    f.put(kMixed);
    f.put("Subject: third\r\n\r\nlast words\r\n");
    auto client = f.in("INBOX");
    f.say(*client, "x STORE 3 +FLAGS (\\Flagged $Foo)\r\n");
    const auto found = [&](const std::string& keys) {
        auto text = f.say(*client, "a SEARCH " + keys + "\r\n");
        return text.substr(0, text.find("\r\n"));
    };
    CHECK(found("ALL") == "* SEARCH 1 2 3");
    CHECK(found("FLAGGED KEYWORD $foo") == "* SEARCH 3");
    CHECK(found("NOT FLAGGED") == "* SEARCH 1 2");
    CHECK(found("SUBJECT hELLO") == "* SEARCH 1");
    CHECK(found("CHARSET UTF-8 SUBJECT {6+}\r\n\xc3\x9c\xc3\x9f"
                "e") == "* SEARCH");
    CHECK(found("CHARSET UTF-8 SUBJECT {5+}\r\nR\xc3\x9c\xc3\x9f") == "* SEARCH 2");
    CHECK(found("FROM ann@example") == "* SEARCH 2");
    CHECK(found("HEADER X-Odd \"\"") == "* SEARCH 1 2");
    CHECK(found("HEADER X-Odd NEEDLE") == "* SEARCH 2");
    CHECK(found("BODY words") == "* SEARCH 1 3");
    CHECK(found("BODY third") == "* SEARCH");
    CHECK(found("TEXT third") == "* SEARCH 3");
    CHECK(found("CHARSET UTF-8 BODY {5+}\r\nlu\xc3\xa5m") == "* SEARCH 2");
    CHECK(found("OR TEXT first BODY last") == "* SEARCH 1 3");
    CHECK(found("SENTON 17-Jul-1996") == "* SEARCH 1");
    CHECK(found("SINCE 9-Sep-2001 BEFORE 10-Sep-2001") == "* SEARCH 1 2 3");
    CHECK(found("LARGER 100") == "* SEARCH 2");
    CHECK(found("2:3 UID 1:2") == "* SEARCH 2");
    CHECK(found("CHARSET KLINGON ALL").starts_with("a NO [BADCHARSET"));
    CHECK(found("9") == "a BAD There is no message of that number");
    CHECK(f.say(*client, "b UID SEARCH RETURN (MIN MAX COUNT) ALL\r\n") ==
          "* ESEARCH (TAG \"b\") UID MIN 1 MAX 3 COUNT 3\r\nb OK Searched\r\n");
    CHECK(f.say(*client, "c SEARCH RETURN (SAVE) FLAGGED\r\n") == "c OK Searched\r\n");
    CHECK(f.say(*client, "d FETCH $ FLAGS\r\n") == "* 3 FETCH (FLAGS (\\Flagged $Foo))\r\nd OK Fetched\r\n");
}

TEST_CASE("a SELECT that is no command leaves what is selected") {
    ImapFixture f;
    f.put("Subject: x\r\n\r\nx\r\n");
    auto client = f.in("INBOX");
    CHECK(f.say(*client, "a SELECT INBOX (QRESYNC (1 1))\r\n") == "a BAD Enable QRESYNC first\r\n");
    CHECK(f.say(*client, "b FETCH 1 (UID FLAGS)\r\n") == "* 1 FETCH (UID 1 FLAGS ())\r\nb OK Fetched\r\n");
    CHECK(f.say(*client, "c STORE 1 +FLAGS.SILENT (one)\r\nd CLOSE\r\n").ends_with("d OK Closed\r\n"));
}

TEST_CASE("what other sessions do is told, and message numbers only where they may change") {
    ImapFixture f;
    for (int i = 0; i < 4; ++i) f.put("Subject: x\r\n\r\nx\r\n");
    auto one = f.in("INBOX");
    auto two = f.in("INBOX");
    f.say(*two, "a STORE 2:3 +FLAGS.SILENT (\\Deleted)\r\nb EXPUNGE\r\n");
    f.put("Subject: new\r\n\r\nx\r\n");
    CHECK(f.say(*one, "c FETCH 1 FLAGS\r\n") == "* 1 FETCH (FLAGS ())\r\n* 5 EXISTS\r\nc OK Fetched\r\n");
    CHECK(f.say(*one, "d FETCH 4:5 UID\r\n") == "* 4 FETCH (UID 4)\r\n* 5 FETCH (UID 5)\r\nd OK Fetched\r\n");
    CHECK(f.say(*one, "e FETCH 2 FLAGS\r\n") == "e OK [EXPUNGEISSUED] Some are gone or cannot be read\r\n");
    CHECK(f.say(*one, "f NOOP\r\n") == "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\nf OK Done\r\n");
    CHECK(f.say(*one, "g FETCH 1:* UID\r\n") ==
          "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 4)\r\n* 3 FETCH (UID 5)\r\ng OK Fetched\r\n");
    f.say(*two, "h STORE 1 +FLAGS (\\Answered)\r\n");
    CHECK(f.say(*one, "i NOOP\r\n") == "* 1 FETCH (FLAGS (\\Answered))\r\ni OK Done\r\n");
    CHECK(f.say(*one, "j NOOP\r\n") == "j OK Done\r\n");
}

TEST_CASE("what others did is told, whatever a client does in silence meanwhile") {
    ImapFixture f;
    for (int i = 0; i < 3; ++i) f.put("Subject: x\r\n\r\nx\r\n");
    auto one = f.in("INBOX");
    auto two = f.in("INBOX");
    // A STORE that changes nothing bears the modseq of the other's change.
    f.say(*one, "a STORE 1 +FLAGS.SILENT (\\Seen)\r\nb NOOP\r\n");
    f.say(*two, "c NOOP\r\nd STORE 2 +FLAGS.SILENT (\\Flagged)\r\n");
    CHECK(f.say(*one, "e STORE 1 +FLAGS (\\Seen)\r\n") ==
          "* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (FLAGS (\\Flagged))\r\ne OK Stored\r\n");
    // The very message: its flags are told before they are changed in silence.
    f.say(*two, "f STORE 3 +FLAGS.SILENT (\\Answered)\r\n");
    CHECK(f.say(*one, "g STORE 3 +FLAGS.SILENT (\\Draft)\r\n") ==
          "* 3 FETCH (FLAGS (\\Answered))\r\ng OK Stored\r\n");
    CHECK(f.say(*one, "h NOOP\r\n") == "h OK Done\r\n");
}

TEST_CASE("IDLE hears at once") {
    ImapFixture f;
    f.put("Subject: x\r\n\r\nx\r\n");
    auto one = f.in("INBOX");
    auto two = f.in("INBOX");
    CHECK(f.say(*one, "a IDLE\r\n") == "+ idling\r\n");
    f.put("Subject: new\r\n\r\nx\r\n");
    f.loops.run_until_idle();
    CHECK(one->heard() == "* 2 EXISTS\r\n");
    f.say(*two, "b STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
    CHECK(one->heard() == "* 1 FETCH (FLAGS (\\Deleted))\r\n");
    f.say(*two, "c EXPUNGE\r\n");
    CHECK(one->heard() == "* 1 EXPUNGE\r\n");
    CHECK(f.say(*one, "DONE\r\n") == "a OK Idle is over\r\n");
    // What came between commands is told when the next IDLE begins.
    f.put("Subject: newer\r\n\r\nx\r\n");
    CHECK(f.say(*one, "d IDLE\r\n") == "+ idling\r\n* 2 EXISTS\r\n");
}

// RFC 9051 §2.3.1.1: UIDVALIDITY does not change under a session, so the session ends.
TEST_CASE("a mailbox that was put back from a copy ends the sessions that have it selected") {
    ImapFixture f;
    f.put("Subject: x\r\n\r\nx\r\n");
    auto client = f.in("INBOX");
    f.say(*client, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
    SUBCASE("with their next command, of which nothing is done") {
        f.store.number_anew(f.ann);
        const std::pair<std::string, std::string> answers[] = {{"EXPUNGE", "b NO Not done: "},
                                                               {"STORE 1 FLAGS (\\Seen)", "b NO Not done: "},
                                                               {"CLOSE", "b NO Not done: "},
                                                               {"MOVE 1 Archive", "b NO Not done: "},
                                                               {"FETCH 1 FLAGS", "b OK [EXPUNGEISSUED] "}};
        for (const auto& [command, told] : answers) {
            auto one = f.in("INBOX");
            f.store.number_anew(f.ann);
            const auto answer = f.say(*one, "b " + command + "\r\n");
            CAPTURE(answer);
            CHECK(answer.find(told) != std::string::npos);
            CHECK(answer.ends_with("* BYE The mailbox was put back from a copy, connect again\r\n"));
            CHECK(one->closed());
        }
        CHECK(f.say(*client, "b NOOP\r\n").find("* BYE") != std::string::npos);
    }
    SUBCASE("from IDLE at once") {
        f.say(*client, "b IDLE\r\n");
        f.store.number_anew(f.ann);
        f.loops.run_until_idle();
        CHECK(client->heard() == "* BYE The mailbox was put back from a copy\r\n");
        CHECK(client->closed());
    }
    CHECK(f.store.content(f.ann).size() == 1);
    auto again = f.in("INBOX");
    CHECK(f.say(*again, "c FETCH 1 FLAGS\r\n").find("\\Deleted") != std::string::npos);
}

TEST_CASE("CONDSTORE and QRESYNC") {
    ImapFixture f;
    for (int i = 0; i < 4; ++i) f.put("Subject: x\r\n\r\nx\r\n");
    auto one = f.in();
    f.say(*one, "a ENABLE QRESYNC\r\n");
    const auto selected = f.say(*one, "b SELECT INBOX\r\n");
    const auto at = selected.find("HIGHESTMODSEQ ") + 14;
    const auto modseq = selected.substr(at, selected.find(']', at) - at);
    const auto valid = selected.substr(selected.find("UIDVALIDITY ") + 12, 4);
    f.say(*one, "c UNSELECT\r\n");
    auto two = f.in("INBOX");
    f.say(*two, "a STORE 1 +FLAGS (\\Seen)\r\nb STORE 3 +FLAGS (\\Deleted)\r\nc EXPUNGE\r\n");
    const auto again = f.say(*one, "d SELECT INBOX (QRESYNC (" + valid + " " + modseq + "))\r\n");
    CHECK(has(again, "* VANISHED (EARLIER) 3\r\n* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ("));
    CHECK_FALSE(has(again, "* 2 FETCH"));
    CHECK(has(f.say(*one, "e UID FETCH 1:* (FLAGS) (CHANGEDSINCE " + modseq + " VANISHED)\r\n"),
              "* VANISHED (EARLIER) 3\r\n* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ("));
    CHECK(has(f.say(*one, "f UID STORE 1,2 (UNCHANGEDSINCE " + modseq + ") +FLAGS.SILENT (\\Flagged)\r\n"),
              "f OK [MODIFIED 1] Some had changed\r\n"));
    f.say(*two, "g STORE 1 +FLAGS.SILENT (\\Deleted)\r\nh EXPUNGE\r\n");
    CHECK(has(f.say(*one, "i NOOP\r\n"), "* VANISHED 1\r\n"));
}

TEST_CASE("FETCH that sets \\Seen tells the modseq where CONDSTORE is on (RFC 7162)") {
    ImapFixture f;
    for (int i = 0; i < 3; ++i) f.put("Subject: x\r\n\r\nx\r\n");
    auto client = f.in();
    f.say(*client, "a ENABLE CONDSTORE\r\n");
    f.say(*client, "b SELECT INBOX\r\n");
    CHECK(has(f.say(*client, "c FETCH 1 BODY[TEXT]\r\n"), " FLAGS (\\Seen) MODSEQ ("));
    CHECK_FALSE(has(f.say(*client, "d FETCH 1 BODY[TEXT]\r\n"), "MODSEQ"));
    CHECK(has(f.say(*client, "e FETCH 2 (FLAGS BODY[TEXT])\r\n"),
              "(FLAGS (\\Seen) BODY[TEXT] {3}\r\nx\r\n MODSEQ ("));
    const auto named = f.say(*client, "f FETCH 3 (MODSEQ BODY[TEXT])\r\n");
    CHECK(named.find("MODSEQ") == named.rfind("MODSEQ"));
}

TEST_CASE("APPEND, COPY, MOVE") {
    ImapFixture f;
    auto client = f.in("INBOX");
    CHECK(f.say(*client, "a APPEND INBOX (\\Seen $X) \"17-Jul-1996 02:44:25 -0700\" {16}\r\n") == "+ OK\r\n");
    const auto appended = f.say(*client, "Subject: 1\r\n\r\nhi\r\n");
    CHECK(has(appended, "* 1 EXISTS\r\n"));
    CHECK(has(appended, "a OK [APPENDUID 1001 1] Appended\r\n"));
    CHECK(f.store.content(f.ann) == std::vector<std::string>{"Subject: 1\r\n\r\nhi"});
    CHECK(has(f.say(*client, "b FETCH 1 (FLAGS INTERNALDATE)\r\n"),
              "(FLAGS (\\Seen $X) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\")"));
    CHECK(f.say(*client, "c APPEND Nowhere {3}\r\n") == "c NO [TRYCREATE] There is no such mailbox\r\n");
    CHECK(f.say(*client, "d APPEND INBOX {0+}\r\n\r\n").starts_with("d NO "));
    CHECK(has(f.say(*client, "e APPEND INBOX {3+}\r\na\r\n {3+}\r\nb\r\n\r\n"), "e OK [APPENDUID 1001 2:3]"));
    CHECK(has(f.say(*client, "f COPY 1:2 Sent\r\n"), "f OK [COPYUID "));
    CHECK(f.store.content(f.ann, "Sent").size() == 2);
    CHECK(f.say(*client, "g COPY 1 Nowhere\r\n") == "g NO [TRYCREATE] There is no such mailbox\r\n");
    const auto moved = f.say(*client, "h UID MOVE 2 Trash\r\n");
    CHECK(moved.starts_with("* OK [COPYUID "));
    CHECK(has(moved, "* 2 EXPUNGE\r\nh OK Moved\r\n"));
    CHECK(f.store.content(f.ann, "Trash").size() == 1);
    CHECK(f.say(*client, "i EXAMINE INBOX\r\n").ends_with("i OK [READ-ONLY] Selected\r\n"));
    CHECK(f.say(*client, "j STORE 1 FLAGS ()\r\n").starts_with("j NO [READ-ONLY]"));
    CHECK(f.say(*client, "k FETCH 2 BODY[]\r\n") == "* 2 FETCH (BODY[] {3}\r\nb\r\n)\r\nk OK Fetched\r\n");
}

TEST_CASE("mailboxes") {
    ImapFixture f;
    auto client = f.in();
    CHECK(has(f.say(*client, "a CREATE Work/2026/\r\n"), "a OK [MAILBOXID (F"));
    CHECK(f.say(*client, "b CREATE Work\r\n") == "b NO [ALREADYEXISTS] That name is taken\r\n");
    CHECK(has(f.say(*client, "c LIST \"\" Work%\r\n"), "* LIST (\\HasChildren) \"/\" Work\r\n"));
    CHECK(f.say(*client, "d RENAME Work Entw&APw-rfe\r\n") == "d OK Renamed\r\n");
    CHECK(has(f.say(*client, "e LIST \"\" Entw*\r\n"), "\"/\" Entw&APw-rfe/2026\r\n"));
    f.say(*client, "f SUBSCRIBE Entw&APw-rfe\r\n");
    CHECK(has(f.say(*client, "g LSUB \"\" *\r\n"), "* LSUB () \"/\" Entw&APw-rfe\r\n"));
    CHECK(f.say(*client, "h DELETE Entw&APw-rfe/2026\r\n") == "h OK Deleted\r\n");
    CHECK(f.say(*client, "i DELETE Entw&APw-rfe/2026\r\n").starts_with("i NO [NONEXISTENT]"));
    CHECK(f.say(*client, "j DELETE INBOX\r\n").starts_with("j NO [CANNOT]"));
    f.put("Subject: x\r\n\r\nx\r\n");
    CHECK(f.say(*client, "k STATUS INBOX (MESSAGES UNSEEN UIDNEXT SIZE DELETED)\r\n") ==
          "* STATUS INBOX (MESSAGES 1 UNSEEN 1 UIDNEXT 2 SIZE 17 DELETED 0)\r\nk OK Done\r\n");
    CHECK(has(f.say(*client, "l LIST (SPECIAL-USE) \"\" * RETURN (STATUS (MESSAGES))\r\n"),
              "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n* STATUS Sent (MESSAGES 0)\r\n"));
    CHECK(f.say(*client, "m LIST \"\" \"\"\r\n") == "* LIST (\\Noselect) \"/\" \"\"\r\nm OK Done\r\n");
    CHECK(f.say(*client, "n NAMESPACE\r\n") == "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\nn OK Done\r\n");
    f.say(*client, "o ENABLE IMAP4rev2\r\n");
    CHECK(has(f.say(*client, "p SELECT \"Entw\xc3\xbcrfe\"\r\n"), "* LIST () \"/\" \"Entw\xc3\xbcrfe\"\r\n"));
    CHECK(f.say(*client, "q GETACL INBOX\r\n").starts_with("q NO "));
}

TEST_CASE("a large message goes to a slow client as fast as it reads") {
    ImapFixture f;
    std::string text = "Subject: large\r\n\r\n";
    for (int i = 0; i < 50'000; ++i) text += "a line of some length, so that it is large\r\n";
    f.put(text);
    auto client = f.in("INBOX");
    client->stop_listening();
    auto heard = f.say(*client, "a FETCH 1 BODY.PEEK[]\r\n");
    f.loops.run_for(1min);
    client->listen_again();
    f.loops.run_until_idle();
    heard += client->heard();
    CHECK(has(heard, text));
    CHECK(heard.ends_with(")\r\na OK Fetched\r\n"));
    client->stop_listening();
    f.say(*client, "b FETCH 1 BODY.PEEK[]\r\n");
    f.loops.run_for(20min);  // it never reads: the write times out
    CHECK(f.service.sessions() == 0);
}

TEST_CASE("a store that fails, time-outs, limits, and the end") {
    ImapFixture f;
    f.put("Subject: x\r\n\r\nx\r\n");
    SUBCASE("a store that fails") {
        const base::log::Capture log;
        auto client = f.in();
        f.store.fail_with(base::Error{.kind = base::ErrorKind::temporary, .log_text = "disk on fire"});
        CHECK(f.say(*client, "a SELECT INBOX\r\n") == "a NO [UNAVAILABLE] Cannot do that now, try again later\r\n");
        CHECK(log.contains("disk on fire"));
        f.store.fail_with(std::nullopt);
        CHECK(f.say(*client, "b SELECT INBOX\r\n").ends_with("b OK [READ-WRITE] Selected\r\n"));
    }
    SUBCASE("a client that says nothing") {
        auto client = f.in("INBOX");
        f.loops.run_for(29min);
        CHECK_FALSE(client->closed());
        f.loops.run_for(2min);
        CHECK(client->heard().starts_with("* BYE "));
        CHECK(client->closed());
    }
    SUBCASE("the server goes down") {
        auto client = f.in("INBOX");
        auto idler = f.in("INBOX");
        f.say(*idler, "a IDLE\r\n");
        f.service.shut_down();
        f.loops.run_until_idle();
        CHECK(client->heard() == "* BYE The server goes down\r\n");
        CHECK(idler->heard() == "* BYE The server goes down\r\n");
        CHECK(client->closed());
    }
    SUBCASE("limits on connections") {
        f.listener.limits.max_connections_per_client = 1;
        auto first = f.connect();
        auto second = f.connect();
        CHECK(second->closed());
        f.listener.limits.max_connections = 1;
        CHECK(f.connect("192.0.2.9")->heard().starts_with("* BYE [UNAVAILABLE]"));
    }
    SUBCASE("a stranger without TLS") {
        auto stranger = f.connect("192.0.2.9");
        CHECK(has(stranger->heard(), "STARTTLS LOGINDISABLED"));
        CHECK(f.say(*stranger, "a LOGIN ann@example.org secret\r\n") ==
              "a NO [PRIVACYREQUIRED] Start TLS first\r\n");
        CHECK(f.provider.clients().empty());
    }
    f.loops.run_until_idle();
}

TEST_CASE("who does not log in may not stay, whatever it says") {
    ImapFixture f;
    auto stranger = f.connect();
    auto known = f.in();
    for (int i = 0; i < 4; ++i) {
        f.say(*stranger, "n NOOP\r\n");
        f.say(*known, "n NOOP\r\n");
        CHECK_FALSE(stranger->closed());
        f.loops.run_for(50s);
    }
    CHECK(stranger->closed());
    CHECK_FALSE(known->closed());
    CHECK(f.service.sessions() == 1);
}

TEST_CASE("few connections of a client wait for its login") {
    ImapFixture f;
    f.listener.limits.max_strangers_per_client = 2;
    auto one = f.in();
    auto two = f.connect();
    auto three = f.connect();
    auto four = f.connect();
    CHECK_FALSE(three->closed());
    CHECK(four->closed());
    f.say(*two, "l LOGIN ann@example.org secret\r\n");
    auto five = f.connect("192.0.2.9");
    auto six = f.connect();
    CHECK_FALSE(six->closed());
    CHECK(f.connect()->closed());
}
