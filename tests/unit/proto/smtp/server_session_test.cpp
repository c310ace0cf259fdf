#include "proto/smtp/server_session.hpp"

#include <doctest/doctest.h>

#include "dialogue.hpp"

using namespace posthorn;
using namespace posthorn::smtp;
using namespace posthorn::smtp::test;
using namespace std::string_literals;

namespace {

const std::string kEnvelope = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n";

ServerDialogue greeted(ServerOptions options = ServerDialogue::defaults()) {
    ServerDialogue d(std::move(options));
    d.say("EHLO client.example\r\n");
    return d;
}

int code(const std::string& reply) { return reply.size() < 3 ? 0 : std::stoi(reply.substr(0, 3)); }

// The codes of a run of replies, last lines only.
std::vector<int> codes(const std::string& replies) {
    std::vector<int> out;
    for (std::size_t at = 0; at < replies.size(); at = replies.find('\n', at) + 1) {
        if (replies[at + 3] == ' ') out.push_back(code(replies.substr(at)));
    }
    return out;
}

}  // namespace

TEST_CASE("a message from greeting to goodbye") {
    ServerDialogue d;
    CHECK(d.run() == "220 mx.example.org ESMTP Posthorn\r\n");
    CHECK(d.say("EHLO client.example\r\n") ==
          "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE "
          "52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-STARTTLS\r\n"
          "250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS RCPTMAX=1000\r\n250 "
          "HELP\r\n");
    CHECK(d.say("MAIL FROM:<a@example.org>\r\n") == "250 2.1.0 Ok\r\n");
    CHECK(d.say("RCPT TO:<b@example.net>\r\n") == "250 2.1.5 Ok\r\n");
    CHECK(code(d.say("DATA\r\n")) == 354);
    CHECK(d.last_read.timeout == ServerTimeout::data_init);
    CHECK(d.say("Subject: hi\r\n\r\n..dot\r\n.\r\n") == "250 2.0.0 Queued\r\n");
    CHECK(d.last_write.timeout == ServerTimeout::data_termination);
    CHECK(code(d.say("QUIT\r\n")) == 221);
    CHECK(d.last_write.timeout == ServerTimeout::command);
    CHECK(d.closed);
    CHECK(d.session.ending() == "quit");
    REQUIRE(d.committed.size() == 1);
    CHECK(d.committed[0] ==
          Committed{"a@example.org", {"b@example.net"}, "Subject: hi\r\n\r\n.dot\r\n", mail::BodyType::seven_bit});
    CHECK(d.notices.empty());
}

TEST_CASE("HELO") {
    ServerDialogue d;
    CHECK(d.say("HELO client.example\r\n") == "250 mx.example.org\r\n");
    CHECK_FALSE(d.session.peer().esmtp);
    CHECK(d.session.peer().helo == "client.example");
    CHECK(d.say("HELO\r\n") == "501 5.5.4 Give your host name or address literal\r\n");
}

TEST_CASE("every command in every state") {
    struct State {
        const char* name;
        std::string script;
    };
    const std::vector<State> states{
        {"new", ""},
        {"greeted", "EHLO c\r\n"},
        {"mail", "EHLO c\r\nMAIL FROM:<a@b.c>\r\n"},
        {"rcpt", "EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n"},
        {"refused", "EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<no@e.f>\r\n"},
        {"chunks", "EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nBDAT 2\r\nhi"},
        {"failed", "EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nBDAT 2\r\nh\n"},
        {"binary", "EHLO c\r\nMAIL FROM:<a@b.c> BODY=BINARYMIME\r\nRCPT TO:<d@e.f>\r\n"},
        {"done", "EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n.\r\n"},
        {"tls", "EHLO c\r\nSTARTTLS\r\n"},
    };
    struct Row {
        const char* command;
        std::vector<int> codes;  // by state
    };
    const std::vector<Row> table{
        //                       new greeted mail rcpt refused chunks failed binary done tls
        {"HELO c\r\n", {250, 250, 250, 250, 250, 250, 250, 250, 250, 250}},
        {"EHLO c\r\n", {250, 250, 250, 250, 250, 250, 250, 250, 250, 250}},
        {"MAIL FROM:<a@b.c>\r\n", {503, 250, 503, 503, 503, 503, 503, 503, 250, 503}},
        {"RCPT TO:<d@e.f>\r\n", {503, 503, 250, 250, 250, 503, 503, 250, 503, 503}},
        {"DATA\r\n", {503, 503, 503, 354, 554, 503, 503, 503, 503, 503}},
        {"BDAT 1\r\nx", {503, 503, 503, 250, 554, 250, 503, 250, 503, 503}},
        {"BDAT 1 LAST\r\nx", {503, 503, 503, 250, 554, 250, 503, 250, 503, 503}},
        {"BDAT x\r\n", {501, 501, 501, 501, 501, 501, 501, 501, 501, 501}},
        {"RSET\r\n", {250, 250, 250, 250, 250, 250, 250, 250, 250, 250}},
        {"VRFY x\r\n", {252, 252, 252, 252, 252, 252, 252, 252, 252, 252}},
        {"EXPN x\r\n", {502, 502, 502, 502, 502, 502, 502, 502, 502, 502}},
        {"HELP\r\n", {214, 214, 214, 214, 214, 214, 214, 214, 214, 214}},
        {"NOOP\r\n", {250, 250, 250, 250, 250, 250, 250, 250, 250, 250}},
        {"QUIT\r\n", {221, 221, 221, 221, 221, 221, 221, 221, 221, 221}},
        {"STARTTLS\r\n", {220, 220, 220, 220, 220, 220, 220, 220, 220, 503}},
        {"AUTH PLAIN\r\n", {502, 502, 502, 502, 502, 502, 502, 502, 502, 502}},
        {"XCLIENT ADDR=::1\r\n", {550, 550, 550, 550, 550, 550, 550, 550, 550, 550}},
        {"GET / HTTP/1.1\r\n", {500, 500, 500, 500, 500, 500, 500, 500, 500, 500}},
        {"RSET x\r\n", {501, 501, 501, 501, 501, 501, 501, 501, 501, 501}},
        {"DATA x\r\n", {501, 501, 501, 501, 501, 501, 501, 501, 501, 501}},
        {"QUIT x\r\n", {501, 501, 501, 501, 501, 501, 501, 501, 501, 501}},
        {"VRFY\r\n", {501, 501, 501, 501, 501, 501, 501, 501, 501, 501}},
        {"NO\x01OP\r\n", {500, 500, 500, 500, 500, 500, 500, 500, 500, 500}},
        {"\r\n", {500, 500, 500, 500, 500, 500, 500, 500, 500, 500}},
    };
    for (std::size_t s = 0; s < states.size(); ++s) {
        for (const auto& row : table) {
            CAPTURE(states[s].name);
            CAPTURE(row.command);
            ServerDialogue d;
            d.judge = [](Subject subject, ServerSession& session) {
                const bool no = subject == Subject::recipient && session.candidate().address.local == "no";
                return no ? Verdict::no({550, "5.1.1", "No such user"}) : Verdict::yes();
            };
            d.say(states[s].script);
            REQUIRE_FALSE(d.closed);
            const std::string command = row.command;
            CHECK(codes(d.say(command)).back() == row.codes[s]);
            CHECK(d.closed == (row.codes[s] == 221 || command == "BDAT x\r\n"));
            if (d.closed) CHECK_FALSE(d.body);
        }
    }
}

TEST_CASE("replies to a pipeline share a segment") {
    auto d = greeted();
    d.writes.clear();
    const auto replies = d.say(kEnvelope + "RCPT TO:<c@example.net>\r\nDATA\r\n");
    CHECK(codes(replies) == std::vector{250, 250, 250, 354});
    CHECK(d.writes.size() == 1);

    SUBCASE("and never pile up") {
        ServerDialogue many;
        std::string script = "EHLO c\r\nMAIL FROM:<a@b.c>\r\n";
        for (int i = 0; i < 900; ++i) script += "RCPT TO:<d@e.f>\r\n";
        many.say(script);
        for (const auto size : many.writes) CHECK(size <= ServerSession::kMaxOutput + 512);
        CHECK(many.session.transaction().recipients.size() == 900);
    }
}

TEST_CASE("STARTTLS forgets, and throws away what was sent behind it") {
    auto d = greeted();
    CHECK(code(d.say(kEnvelope + "STARTTLS\r\nMAIL FROM:<evil@example.org>\r\nRSET\r\n")) == 250);
    CHECK(d.handshakes == 1);
    CHECK(d.security().find("octets") != std::string::npos);
    CHECK(d.session.peer().helo.empty());
    CHECK_FALSE(d.session.in_transaction());
    CHECK(code(d.say("MAIL FROM:<a@example.org>\r\n")) == 503);
    const auto offer = d.say("EHLO client.example\r\n");
    CHECK(offer.find("STARTTLS") == std::string::npos);
    CHECK(d.say("STARTTLS\r\n").starts_with("503 "));

    SUBCASE("not where it is not offered") {
        auto options = ServerDialogue::defaults();
        options.starttls = false;
        CHECK(code(greeted(options).say("STARTTLS\r\n")) == 502);
    }
    SUBCASE("implicit TLS comes before the greeting") {
        auto options = ServerDialogue::defaults();
        options.implicit_tls = true;
        ServerDialogue implicit(options);
        CHECK(code(implicit.run()) == 220);
        CHECK(implicit.handshakes == 1);
        CHECK(implicit.say("EHLO c\r\n").find("STARTTLS") == std::string::npos);
    }
}

TEST_CASE("size") {
    auto options = ServerDialogue::defaults();
    options.max_message_size = 100;
    auto d = greeted(options);
    CHECK(code(d.say("MAIL FROM:<> SIZE=101\r\n")) == 552);
    CHECK(code(d.say("MAIL FROM:<> SIZE=100\r\n")) == 250);
    d.say("RCPT TO:<b@example.net>\r\nDATA\r\n");
    d.say(std::string(98, 'x') + "\r\n");
    CHECK(d.body);
    d.say("y");
    d.say("z");
    CHECK_FALSE(d.body);  // thrown away at once
    CHECK(d.written.ends_with("354 Go ahead; a line with only a dot ends the message\r\n"));
    CHECK(d.say("\r\n.\r\n").starts_with("552 5.3.4"));
    CHECK(d.committed.empty());
    CHECK(code(d.say(kEnvelope + "DATA\r\n" + std::string(98, 'x') + "\r\n.\r\n")) == 250);
    CHECK(d.committed.size() == 1);
}

TEST_CASE("what text may not hold") {
    for (const auto& body : {"a\nb\r\n"s, "a\rb\r\n"s, "a\0b\r\n"s, std::string(999, 'x') + "\r\n"}) {
        auto d = greeted();
        d.say(kEnvelope + "DATA\r\n");
        CHECK(d.say(body + ".\r\n").starts_with("554 5.6.0"));
        CHECK(d.committed.empty());
        CHECK_FALSE(d.body);
        CHECK(d.discarded == 1);
        CHECK(code(d.say("NOOP\r\n")) == 250);
    }
    SUBCASE("unless it is to be normalised") {
        auto options = ServerDialogue::defaults();
        options.bare_newline = BareNewline::normalise;
        auto d = greeted(options);
        d.say(kEnvelope + "DATA\r\na\nb\r\n.\r\n");
        CHECK(d.committed.at(0).body == "a\r\nb\r\n");
        CHECK(code(d.say("NOOP\n")) == 250);
    }
    SUBCASE("a command's line neither") {
        auto d = greeted();
        CHECK(d.say("NOOP\nRSET\r\n") == "500 5.5.2 Lines end with CRLF\r\n250 2.0.0 Ok\r\n");
    }
}

TEST_CASE("8-bit text") {
    auto d = greeted();
    d.say(kEnvelope + "DATA\r\n\xc3\xbc\r\n.\r\n");
    CHECK(d.committed.at(0).type == mail::BodyType::eight_bit_mime);

    auto options = ServerDialogue::defaults();
    options.strict_8bit = true;
    auto strict = greeted(options);
    CHECK(codes(strict.say(kEnvelope + "DATA\r\n\xc3\xbc\r\n.\r\n")).back() == 554);
    CHECK(codes(strict.say("MAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<b@example.net>\r\nDATA\r\n\xc3\xbc\r\n.\r\n"))
              .back() == 250);
}

TEST_CASE("chunks") {
    auto d = greeted();
    d.say("MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<b@example.net>\r\n");
    CHECK(d.say("BDAT 5\r\n\0\n\r.\n"s) == "250 2.0.0 5 octets taken\r\n");
    CHECK(d.say("BDAT 0\r\nBDAT 3 LAST\r\nxyz") == "250 2.0.0 0 octets taken\r\n250 2.0.0 Queued\r\n");
    CHECK(d.committed.at(0).body == "\0\n\r.\nxyz"s);

    SUBCASE("a failed one needs RSET") {
        CHECK(codes(d.say(kEnvelope + "BDAT 2\r\na\nBDAT 1\r\nx")) == std::vector{250, 250, 554, 503});
        CHECK(codes(d.say("RSET\r\n" + kEnvelope + "BDAT 2 LAST\r\nhi")) == std::vector{250, 250, 250, 250});
        CHECK(d.committed.size() == 2);
    }
    SUBCASE("too much of them") {
        auto options = ServerDialogue::defaults();
        options.max_message_size = 10;
        auto small = greeted(options);
        CHECK(codes(small.say(kEnvelope + "BDAT 8\r\n12345678BDAT 8 LAST\r\n12345678NOOP\r\n")) ==
              std::vector{250, 250, 250, 552, 250});
        CHECK_FALSE(small.body);
    }
    SUBCASE("no room at the first") {
        d.open = [] { return Verdict::no({452, "4.3.1", "Disk full"}); };
        CHECK(codes(d.say(kEnvelope + "BDAT 5 LAST\r\n12345NOOP\r\n")) == std::vector{250, 250, 452, 250});
    }
    SUBCASE("in a line that is refused: what follows is no command") {
        for (const auto& line :
             {"BDAT 6 LAST\n"s, "BDAT 6 LAST\x01\r\n"s, "BDAT 6 " + std::string(4096, ' ') + "LAST\r\n"}) {
            for (const std::size_t piece : {std::size_t{8192}, std::size_t{1000}}) {
                auto odd = greeted();
                odd.say(kEnvelope);
                CHECK(codes(odd.say(line + "RSET\r\n", piece)) == std::vector{500});
                CHECK(odd.closed);
            }
        }
    }
    SUBCASE("text across chunks") {
        d.say(kEnvelope + "BDAT 2\r\na\rBDAT 3 LAST\r\n\n..");
        CHECK(d.committed.at(1).body == "a\r\n..");
    }
}

TEST_CASE("what stands above may refuse at any step") {
    auto d = greeted();
    SUBCASE("the client") {
        ServerDialogue refused;
        refused.judge = [](Subject, ServerSession&) { return Verdict::no({421, "4.7.0", "Too many connections"}); };
        CHECK(refused.run() == "421 4.7.0 Too many connections\r\n");
        CHECK(refused.closed);
    }
    SUBCASE("the sender") {
        d.judge = [](Subject, ServerSession&) { return Verdict::no({452, "4.3.1", "Disk full"}); };
        CHECK(d.say("MAIL FROM:<>\r\n") == "452 4.3.1 Disk full\r\n");
        CHECK_FALSE(d.session.in_transaction());
        CHECK(d.notices.at(0).stage == "MAIL");
    }
    SUBCASE("a recipient") {
        d.judge = [](Subject subject, ServerSession&) {
            return subject == Subject::recipient ? Verdict::no({550, "5.7.1", "Relaying denied"}) : Verdict::yes();
        };
        CHECK(codes(d.say(kEnvelope + "DATA\r\n")) == std::vector{250, 550, 554});
        CHECK(d.notices.at(0).recipient == "b@example.net");
    }
    SUBCASE("the body's start") {
        d.open = [] { return Verdict::no({451, "4.3.0", "Local trouble"}); };
        CHECK(codes(d.say(kEnvelope + "DATA\r\n")) == std::vector{250, 250, 451});
        d.open = [] { return Verdict::yes(); };
        CHECK(codes(d.say("DATA\r\n.\r\n")) == std::vector{354, 250});
    }
    SUBCASE("the body, in the middle") {
        d.take = [] { return Verdict::no({452, "4.3.1", "Disk full"}); };
        CHECK(codes(d.say(kEnvelope + "DATA\r\nx\r\ny\r\n.\r\nNOOP\r\n")) == std::vector{250, 250, 354, 452, 250});
        CHECK(d.discarded == 1);
    }
    SUBCASE("the commit") {
        d.commit = [] { return Verdict::no({451, "4.3.0", "Not durable"}); };
        CHECK(codes(d.say(kEnvelope + "DATA\r\nx\r\n.\r\nNOOP\r\n")) == std::vector{250, 250, 354, 451, 250});
        CHECK(d.committed.empty());
    }
}

TEST_CASE("limits of a session") {
    auto options = ServerDialogue::defaults();
    SUBCASE("errors") {
        options.max_errors = 3;
        auto d = greeted(options);
        CHECK(codes(d.say("X\r\nX\r\nX\r\n")) == std::vector{500, 500, 500});
        CHECK(codes(d.say("X\r\nX\r\n")) == std::vector{500, 421});
        CHECK(d.closed);
    }
    SUBCASE("errors are forgiven with a message") {
        options.max_errors = 3;
        auto d = greeted(options);
        for (int i = 0; i < 5; ++i) d.say("X\r\nX\r\nX\r\n" + kEnvelope + "DATA\r\n.\r\n");
        CHECK(d.committed.size() == 5);
    }
    SUBCASE("messages") {
        options.max_messages = 1;
        auto d = greeted(options);
        CHECK(d.written.find("LIMITS MAILMAX=1 RCPTMAX=1000") != std::string::npos);
        CHECK(codes(d.say(kEnvelope + "DATA\r\n.\r\nMAIL FROM:<>\r\n")) == std::vector{250, 250, 354, 250, 421});
    }
    SUBCASE("recipients") {
        options.max_recipients = 1;
        auto d = greeted(options);
        const auto more = "RCPT TO:<c@example.net>\r\nRCPT TO:<d@example.net>\r\n"s;
        CHECK(codes(d.say(kEnvelope + more + "DATA\r\n.\r\n")) == std::vector{250, 250, 452, 452, 354, 250});
        CHECK(d.notices.size() == 1);
    }
    SUBCASE("recipients of monstrous length") {
        auto d = greeted(options);
        const auto local = std::string(64, 'l');
        const auto domain = std::string(60, 'd') + '.' + std::string(60, 'd') + '.' + std::string(60, 'd');
        const auto one = "RCPT TO:<" + local + '@' + domain + "> ORCPT=rfc822;" + std::string(490, 'o') + "\r\n";
        d.say("MAIL FROM:<>\r\n");
        std::size_t taken = 0;
        while (taken < 1000 && code(d.say(one)) == 250) ++taken;
        CHECK(taken >= 100);  // RFC 5321 §4.5.3.1.8
        CHECK(taken < 250);
        CHECK(d.say(one).starts_with("452 4.5.3"));
        CHECK(d.notices.size() == 1);
        CHECK(codes(d.say("DATA\r\n.\r\n")) == std::vector{354, 250});
        CHECK(d.committed.at(0).to.size() == taken);
        // The next message begins anew; ordinary ones come to the announced number.
        d.say("MAIL FROM:<>\r\n");
        for (std::size_t i = 0; i < 1000; ++i)
            d.say("RCPT TO:<user." + std::to_string(i) + "@lists.example.net> ORCPT=rfc822;user." +
                  std::to_string(i) + "@lists.example.net\r\n");
        CHECK(codes(d.say("DATA\r\n.\r\n")) == std::vector{354, 250});
        CHECK(d.committed.at(1).to.size() == 1000);
    }
    SUBCASE("hops") {
        options.max_hops = 2;
        auto d = greeted(options);
        CHECK(
            d.say(kEnvelope + "DATA\r\nReceived: 1\r\nReceived: 2\r\nReceived: 3\r\n\r\n.\r\n").find("554 5.4.6") !=
            std::string::npos);
        CHECK(codes(d.say(kEnvelope + "DATA\r\nReceived: 1\r\nReceived: 2\r\n\r\nReceived: 3\r\n.\r\n")).back() ==
              250);
    }
    SUBCASE("a line") {
        options.max_command_line = 512;
        auto d = greeted(options);
        CHECK(code(d.say("NOOP " + std::string(505, 'x') + "\r\n")) == 250);
        CHECK(code(d.say("NOOP " + std::string(506, 'x') + "\r\n")) == 500);
        CHECK(codes(d.say("NOOP " + std::string(100'000, 'x') + "\r\nNOOP\r\n", 1000)) == std::vector{500, 250});
    }
}

TEST_CASE("waiting: a wait goes on until something whole has come") {
    auto d = greeted();
    CHECK(d.last_read.fresh);
    d.say("NO");
    CHECK_FALSE(d.last_read.fresh);
    d.say("OP\r\n");
    CHECK(d.last_read.fresh);
    d.say(kEnvelope + "DATA\r\n");
    CHECK(d.last_read.fresh);
    CHECK(d.last_read.timeout == ServerTimeout::data_init);
    d.say("x");  // it has begun: from now on the limit is that of a block
    CHECK(d.last_read.fresh);
    CHECK(d.last_read.timeout == ServerTimeout::data_block);
    d.say("x");
    CHECK_FALSE(d.last_read.fresh);
    d.say(std::string(900, 'x') + "\r\n" + std::string(900, 'x'));
    CHECK(d.last_read.fresh);
    CHECK(d.last_read.timeout == ServerTimeout::data_block);
}

TEST_CASE("PROXY header first") {
    auto options = ServerDialogue::defaults();
    options.proxy_header = true;
    options.implicit_tls = true;
    ServerDialogue d(options);
    CHECK(code(d.say("PROXY TCP4 198.51.100.9 192.0.2.1 4711 25\r\n")) == 220);
    CHECK(d.session.peer().ip == "198.51.100.9");
    CHECK(d.session.peer().port == 4711);
    ServerDialogue bad(options);
    CHECK(bad.say("EHLO client.example\r\n").empty());
    CHECK(bad.closed);
    CHECK_FALSE(bad.security().empty());
}

TEST_CASE("XCLIENT from those who may") {
    ServerDialogue d(ServerDialogue::defaults(), {.ip = "192.0.2.7", .may_xclient = true});
    CHECK(d.say("EHLO front.example\r\n").find("XCLIENT NAME ADDR") != std::string::npos);
    CHECK(code(d.say("XCLIENT FOO=1\r\n")) == 501);
    CHECK(code(d.say("XCLIENT ADDR=198.51.100.9 NAME=c.example HELO=c.example PROTO=SMTP LOGIN=joe\r\n")) == 220);
    CHECK(d.session.peer().ip == "198.51.100.9");
    CHECK(d.session.peer().auth_user == "joe");
    CHECK(code(d.say("MAIL FROM:<>\r\n")) == 503);
}

TEST_CASE("going down") {
    SUBCASE("while idle") {
        auto d = greeted();
        REQUIRE(d.session.idle());
        d.session.shut_down();
        CHECK(d.session.interrupt(ServerSession::Interruption::shutdown).starts_with("421 4.3.2"));
        CHECK(d.session.next().kind == ServerAction::Kind::close);
    }
    SUBCASE("in the middle of a message, when patience ends") {
        auto d = greeted();
        d.say(kEnvelope + "DATA\r\nhalf");
        CHECK(d.session.interrupt(ServerSession::Interruption::timeout).starts_with("421 4.4.2"));
        d.waiting = false;
        d.run();
        CHECK(d.closed);
        CHECK_FALSE(d.body);
        CHECK(d.session.ending() == "timed out");
    }
    SUBCASE("after the transaction") {
        auto d = greeted();
        d.say(kEnvelope);
        CHECK_FALSE(d.session.idle());
        d.session.shut_down();
        CHECK(codes(d.say("DATA\r\n.\r\n")) == std::vector{354, 250, 421});
        CHECK(d.closed);
        CHECK(d.committed.size() == 1);
    }
}
