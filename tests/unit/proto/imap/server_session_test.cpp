#include "proto/imap/server_session.hpp"

#include <doctest/doctest.h>

#include "base/base64.hpp"
#include "proto/imap/limits.hpp"
#include "tests/support/imap_play.hpp"

using namespace posthorn;
using namespace posthorn::imap;
using namespace std::string_literals;
using tests::ImapPlay;

namespace {

ServerOptions options() {
    return {.hostname = "mx.example.org",
            .starttls = true,
            .clear_login = true,
            .mechanisms = {sasl::Mechanism::scram_sha_256, sasl::Mechanism::plain},
            .rev2 = true,
            .capabilities = "IDLE CONDSTORE",
            .can_enable = {"CONDSTORE", "QRESYNC", "UTF8=ACCEPT"},
            .append_limit = 1000};
}

struct Dialogue {
    explicit Dialogue(ServerOptions o = options()) : machine(std::move(o)) { greeting = say(""); }
    std::string say(std::string_view input) { return play.say(machine, input); }
    void login() { say("l LOGIN ann@example.org secret\r\n"); }

    ServerSession machine;
    ImapPlay play;
    std::string greeting;
};

Dialogue logged_in(ServerOptions o = options()) {
    Dialogue d(std::move(o));
    d.login();
    REQUIRE(d.machine.state() == ServerSession::State::authenticated);
    return d;
}

std::string plain(const std::string& user, const std::string& password) {
    return base::base64_encode(std::string(1, '\0') + user + std::string(1, '\0') + password);
}

}  // namespace

TEST_CASE("a session from greeting to goodbye") {
    Dialogue d;
    CHECK(d.greeting ==
          "* OK [CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL- ID ENABLE SASL-IR STARTTLS AUTH=SCRAM-SHA-256 AUTH=PLAIN] "
          "mx.example.org IMAP server ready\r\n");
    CHECK(d.say("a CAPABILITY\r\n").starts_with("* CAPABILITY IMAP4rev2 IMAP4rev1 "));
    CHECK(d.say("a LOGIN ann@example.org secret\r\n") ==
          "a OK [CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL- ID ENABLE IDLE CONDSTORE] Logged in\r\n");
    CHECK(d.say("b SELECT INBOX\r\n") == "* SELECT\r\nb OK Done\r\n");
    CHECK(d.machine.state() == ServerSession::State::selected);
    CHECK(d.say("c FETCH 1 FLAGS\r\nd UID FETCH 1 FLAGS\r\n") ==
          "* FETCH\r\nc OK Done\r\n* FETCH\r\nd OK Done\r\n");
    CHECK(d.say("e CLOSE\r\n") == "* CLOSE\r\ne OK Done\r\n");
    CHECK(d.machine.state() == ServerSession::State::authenticated);
    CHECK(d.say("f LOGOUT\r\n") == "* BYE Goodbye\r\nf OK Logged out\r\n");
    CHECK(d.play.closed);
    CHECK(d.machine.ending() == "logout");
}

TEST_CASE("what may be said when") {
    Dialogue d;
    CHECK(d.say("a SELECT INBOX\r\n") == "a BAD Log in first\r\n");
    CHECK(d.say("a FETCH 1 FLAGS\r\n") == "a BAD Select a mailbox first\r\n");
    CHECK(d.say("a APPEND INBOX {3}\r\n") == "a BAD Log in first\r\n");
    CHECK(d.say("a NOOP\r\n") == "* NOOP\r\na OK Done\r\n");
    d.login();
    CHECK(d.say("a LOGIN x y\r\n") == "a BAD You are logged in\r\n");
    CHECK(d.say("a STARTTLS\r\n") == "a BAD You are logged in\r\n");
    CHECK(d.say("a SELECT INBOX\r\n").ends_with("a OK Done\r\n"));
    d.play.no_mailbox = "gone";
    CHECK(d.say("a SELECT\r\n").starts_with("a BAD"));
    CHECK(d.machine.state() == ServerSession::State::selected);
    CHECK(d.say("a SELECT gone\r\n") == "a NO [NONEXISTENT] There is no such mailbox\r\n");
    CHECK(d.machine.state() == ServerSession::State::authenticated);
    CHECK(d.say("XYZZY\r\n") == "XYZZY BAD Something is missing at the end\r\n");
    CHECK(d.say("\r\n") == "* BAD A tag is missing\r\n");
    CHECK(d.say("x ID NIL\r\n") == "* ID (\"name\" \"Posthorn\")\r\nx OK That is me\r\n");
}

TEST_CASE("logins") {
    auto o = options();
    o.max_logins = 3;
    Dialogue d(o);
    SUBCASE("by LOGIN with literals") {
        CHECK(d.say("a LOGIN {15}\r\n") == "+ OK\r\n");
        CHECK(d.say("ann@example.org {6}\r\n") == "+ OK\r\n");
        CHECK(d.say("secret\r\n").starts_with("a OK "));
    }
    SUBCASE("by PLAIN, at once or after a challenge") {
        CHECK(d.say("a AUTHENTICATE PLAIN\r\n") == "+ \r\n");
        CHECK(d.say(plain("ann@example.org", "wrong") + "\r\n") ==
              "a NO [AUTHENTICATIONFAILED] Wrong name or secret\r\n");
        CHECK(d.say("a AUTHENTICATE PLAIN " + plain("ann@example.org", "secret") + "\r\n").starts_with("a OK "));
    }
    SUBCASE("given up, or no Base64") {
        CHECK(d.say("a AUTHENTICATE PLAIN\r\n*\r\n") == "+ \r\na BAD Given up\r\n");
        CHECK(d.say("b AUTHENTICATE PLAIN !\r\n") == "b BAD That is no Base64\r\n");
    }
    SUBCASE("an answer that announces a literal keeps its tag") {
        CHECK(d.say("a AUTHENTICATE PLAIN\r\nx {3}\r\n") == "+ \r\na BAD Given up\r\n");
    }
    SUBCASE("by SCRAM with a wrong proof") {
        CHECK(d.say("a AUTHENTICATE SCRAM-SHA-256 " + base::base64_encode("n,,n=ann,r=abc") + "\r\n")
                  .starts_with("+ "));
        CHECK(d.say(base::base64_encode("c=biws,r=abc,p=AAAA") + "\r\n").starts_with("a "));
        CHECK(d.machine.state() == ServerSession::State::not_authenticated);
    }
    SUBCASE("that fail for other reasons") {
        d.play.verdict = LoginVerdict::unavailable;
        CHECK(d.say("a LOGIN ann@example.org secret\r\n").starts_with("a NO [UNAVAILABLE]"));
        d.play.verdict = LoginVerdict::disabled;
        CHECK(d.say("a AUTHENTICATE PLAIN " + plain("ann@example.org", "secret") + "\r\n")
                  .starts_with("a NO [CONTACTADMIN]"));
    }
    SUBCASE("three failures are enough") {
        for (int i = 0; i < 2; ++i)
            CHECK(d.say("a LOGIN x y\r\n") == "a NO [AUTHENTICATIONFAILED] Wrong name or secret\r\n");
        CHECK(d.say("a LOGIN x y\r\n").ends_with("* BYE Too many failures\r\n"));
        CHECK(d.play.closed);
    }
    SUBCASE("no such mechanism") {
        CHECK(d.say("a AUTHENTICATE KERBEROS\r\n") == "a NO There is no such mechanism\r\n");
    }
}

TEST_CASE("without TLS no passwords") {
    auto o = options();
    o.clear_login = false;
    Dialogue d(o);
    CHECK(d.greeting.find("STARTTLS LOGINDISABLED AUTH=SCRAM-SHA-256]") != std::string::npos);
    CHECK(d.say("a LOGIN ann@example.org secret\r\n") == "a NO [PRIVACYREQUIRED] Start TLS first\r\n");
    CHECK(d.say("a AUTHENTICATE PLAIN\r\n") == "a NO [PRIVACYREQUIRED] Start TLS first\r\n");
    CHECK(d.say("b STARTTLS\r\nc LOGIN ann@example.org secret\r\n") == "b OK Begin the handshake\r\n<TLS>");
    CHECK(d.machine.state() == ServerSession::State::not_authenticated);
    const auto words = d.say("d CAPABILITY\r\n");
    CHECK(words.find("STARTTLS") == std::string::npos);
    CHECK(words.find("AUTH=PLAIN") != std::string::npos);
    CHECK(d.say("e STARTTLS\r\n") == "e BAD TLS is on\r\n");
    d.login();
    CHECK(d.machine.state() == ServerSession::State::authenticated);
}

TEST_CASE("implicit TLS comes before the greeting") {
    auto o = options();
    o.implicit_tls = true;
    Dialogue d(o);
    CHECK(d.greeting.starts_with("<TLS>* OK [CAPABILITY "));
    CHECK(d.machine.tls());
}

TEST_CASE("ENABLE") {
    auto d = logged_in();
    CHECK(d.say("a ENABLE qresync X-UNKNOWN\r\n") == "* ENABLED QRESYNC\r\na OK Enabled\r\n");
    CHECK(d.machine.enabled().condstore);
    CHECK_FALSE(d.machine.enabled().utf8());
    CHECK(d.say("a ENABLE IMAP4rev2\r\n") == "* ENABLED IMAP4rev2\r\na OK Enabled\r\n");
    CHECK(d.machine.enabled().utf8());
}

TEST_CASE("IDLE") {
    auto d = logged_in();
    CHECK(d.say("a IDLE\r\n") == "+ idling\r\n");
    CHECK(d.machine.in_idle());
    CHECK(d.machine.idle());
    CHECK(d.say("done\r\n") == "a OK Idle is over\r\n");
    CHECK(d.say("b IDLE\r\nDONE\r\nc NOOP\r\n") == "+ idling\r\nb OK Idle is over\r\n* NOOP\r\nc OK Done\r\n");
    CHECK(d.say("d IDLE\r\ne NOOP\r\n") == "+ idling\r\nd BAD Expected DONE\r\n");
}

TEST_CASE("APPEND") {
    auto d = logged_in();
    SUBCASE("waiting for our word") {
        CHECK(d.say("a APPEND Sent (\\Seen) {5}\r\n") == "+ OK\r\n");
        CHECK(d.say("he") == "");
        CHECK(d.play.waits.back() == ServerTimeout::command);
        CHECK(d.say("llo\r\n") == "a OK Appended\r\n");
        CHECK(d.play.appended == std::vector<ImapPlay::Appended>{{"Sent", {"hello"}}});
    }
    SUBCASE("several, unasked, one of them empty") {
        CHECK(d.say("a APPEND Sent {3+}\r\nab\n {0+}\r\n {2+}\r\n\r\n\r\nb NOOP\r\n") ==
              "a OK Appended\r\n* NOOP\r\nb OK Done\r\n");
        CHECK(d.play.appended == std::vector<ImapPlay::Appended>{{"Sent", {"ab\n", "", "\r\n"}}});
    }
    SUBCASE("an empty one that waits") {
        CHECK(d.say("a APPEND Sent {0}\r\n") == "+ OK\r\n");
        CHECK(d.say("\r\n") == "a OK Appended\r\n");
    }
    SUBCASE("CATENATE") {
        CHECK(d.say("a APPEND Sent CATENATE (URL x TEXT {2+}\r\nhi URL y)\r\n") == "a OK Appended\r\n");
        CHECK(d.play.appended == std::vector<ImapPlay::Appended>{{"Sent", {"<x>hi<y>"}}});
    }
    SUBCASE("a name that is a literal") {
        CHECK(d.say("a APPEND {4}\r\n") == "+ OK\r\n");
        CHECK(d.say("Sent {2}\r\n") == "+ OK\r\n");
        CHECK(d.say("hi\r\n") == "a OK Appended\r\n");
        CHECK(d.play.appended[0].mailbox == "Sent");
    }
    SUBCASE("into nothing: told before the message is sent, or after it was read past") {
        d.play.no_mailbox = "gone";
        CHECK(d.say("a APPEND gone {5}\r\n") == "a NO [TRYCREATE] There is no such mailbox\r\n");
        CHECK(d.say("b NOOP\r\n") == "* NOOP\r\nb OK Done\r\n");
        CHECK(d.say("a APPEND gone {9+}\r\nb LOGOUT\n {3+}\r\nxyz\r\nb NOOP\r\n") ==
              "a NO [TRYCREATE] There is no such mailbox\r\n* NOOP\r\nb OK Done\r\n");
    }
    SUBCASE("refused in the midst of it") {
        d.play.refuse_message = "bad";
        d.play.octets = 4;
        CHECK(d.say("a APPEND x {9+}\r\nbad1bad2! {2+}\r\nhi\r\nb NOOP\r\n") ==
              "a NO Not this one\r\n* NOOP\r\nb OK Done\r\n");
        CHECK(d.play.appended.empty());
    }
    SUBCASE("too large") {
        CHECK(d.say("a APPEND x {1001}\r\n") == "a NO [TOOBIG] The message is too large\r\n");
        CHECK(d.say("a APPEND x {1001+}\r\n" + std::string(1001, 'x') + "\r\n") ==
              "a NO [TOOBIG] The message is too large\r\n");
        CHECK(d.say("a APPEND x {99999999999+}\r\n") == "* BYE Too large a literal\r\n");
    }
    SUBCASE("malformed") {
        CHECK(d.say("a APPEND x\r\n").starts_with("a BAD "));
        CHECK(d.say("a APPEND x y {3}\r\n").starts_with("a BAD "));
        CHECK(d.say("a APPEND x {2+}\r\nhi there\r\n").starts_with("a BAD "));
        CHECK(d.say("b NOOP\r\n") == "* NOOP\r\nb OK Done\r\n");
        CHECK(d.play.appended.empty());
    }
}

TEST_CASE("bounds") {
    auto o = options();
    o.max_errors = 3;
    auto d = logged_in(o);
    SUBCASE("a long line") {
        CHECK(d.say("a LIST \"\" " + std::string(Limits::command, 'x') + "\r\n") ==
              "a BAD [TOOBIG] Too long a command\r\n");
    }
    SUBCASE("a long string") {
        CHECK(d.say("a LIST \"\" {70000}\r\n") == "a NO [TOOBIG] Too long a command\r\n");
        CHECK(d.say("b NOOP\r\n") == "* NOOP\r\nb OK Done\r\n");
    }
    SUBCASE("errors in a row end the session") {
        CHECK(d.say("x\r\nx\r\ny NOOP\r\nx\r\nx\r\n").find("BYE") == std::string::npos);
        CHECK(d.say("x\r\n").ends_with("* BYE Too many errors\r\n"));
    }
    SUBCASE("answers to a pipeline go out in bounded pieces") {
        std::string many;
        for (int i = 0; i < 5000; ++i) many += "a NOOP\r\n";
        const auto answered = d.say(many);
        CHECK(answered.size() == 5000 * ("* NOOP\r\na OK Done\r\n"s).size());
        CHECK(d.play.largest_write <= ServerSession::kMaxOutput + 512);
    }
}

TEST_CASE("the server goes down") {
    auto d = logged_in();
    SUBCASE("at the next command") {
        d.machine.shut_down();
        CHECK(d.say("a NOOP\r\n") == "* NOOP\r\na OK Done\r\n* BYE The server goes down\r\n");
    }
    SUBCASE("at once") {
        CHECK(d.machine.interrupt(ServerSession::Interruption::shutdown) == "* BYE The server goes down\r\n");
        CHECK(d.machine.next().kind == ServerAction::Kind::close);
    }
    SUBCASE("at a time-out") {
        CHECK(d.machine.interrupt(ServerSession::Interruption::timeout).starts_with("* BYE "));
    }
}

TEST_CASE(
    "octets one by one, and cut at every step: the session always ends, and what was not ended was not appended") {
    const std::string script =
        "a CAPABILITY\r\nb AUTHENTICATE PLAIN\r\n" + plain("ann@example.org", "secret") +
        "\r\nc SELECT {5+}\r\nINBOX\r\nd APPEND Sent (\\Seen) {4+}\r\none\n {4+}\r\ntwo\n\r\ne IDLE\r\nDONE\r\n"
        "f FETCH 1:* (FLAGS BODY[])\r\ng APPEND x {3+}\r\nabc\r\nh LOGOUT\r\n";
    ImapPlay whole;
    ServerSession first(options());
    whole.cut = ImapPlay::Cut::none;
    whole.run(first, script);
    REQUIRE(whole.output.ends_with("h OK Logged out\r\n"));
    REQUIRE(whole.appended.size() == 2);

    ImapPlay slow;
    ServerSession second(options());
    slow.octets = 1;
    slow.run(second, script);
    CHECK(slow.output == whole.output);
    CHECK(slow.appended == whole.appended);

    for (const auto cut : {ImapPlay::Cut::eof, ImapPlay::Cut::timed_out, ImapPlay::Cut::broken}) {
        for (std::size_t at = 0;; ++at) {
            ImapPlay play;
            play.cut = cut;
            play.cut_at = at;
            play.octets = 7;
            ServerSession machine(options());
            play.run(machine, script);
            REQUIRE(play.closed);
            CHECK(whole.output.starts_with(play.output));
            CHECK_FALSE(machine.ending().empty());
            if (machine.ending() == "logout") break;
            REQUIRE(at < 2000);
        }
    }
}

TEST_CASE("compression begins behind its OK, once, and only for who has logged in") {
    auto with = options();
    with.compress = true;
    Dialogue stranger(with);
    CHECK_FALSE(stranger.greeting.contains("COMPRESS"));
    CHECK(stranger.say("a COMPRESS DEFLATE\r\n").starts_with("a BAD "));
    auto d = logged_in(with);
    CHECK(d.say("a CAPABILITY\r\n").contains(" COMPRESS=DEFLATE\r\n"));
    CHECK(d.say("b COMPRESS DEFLATE\r\n") == "b OK From here on deflated\r\n");
    CHECK(d.play.compressed == 1);
    CHECK_FALSE(d.say("c CAPABILITY\r\n").contains("COMPRESS"));
    CHECK(d.say("d COMPRESS DEFLATE\r\n") == "d NO [COMPRESSIONACTIVE] It is on already\r\n");
    CHECK(d.play.compressed == 1);
    auto without = logged_in();
    CHECK(without.say("a COMPRESS DEFLATE\r\n").starts_with("a NO "));
}

TEST_CASE("what a client says before compression has begun is forgotten") {
    auto with = options();
    with.compress = true;
    auto d = logged_in(with);
    CHECK(d.say("b COMPRESS DEFLATE\r\nc LOGOUT\r\n") == "b OK From here on deflated\r\n");
    CHECK(d.say("d NOOP\r\n") == "* NOOP\r\nd OK Done\r\n");
}
