// Whole scripts, replayed cut at every step and in every segmentation.
#include <doctest/doctest.h>

#include "dialogue.hpp"

using namespace posthorn;
using namespace posthorn::smtp;
using namespace posthorn::smtp::test;
using namespace std::string_literals;

namespace {

const std::vector<std::string>& scripts() {
    static const std::vector<std::string> all{
        "EHLO c\r\nMAIL FROM:<a@b.c> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<d@e.f>\r\nRCPT TO:<g@h.i>\r\nDATA\r\n"
        "Subject: x\r\n\r\n..\r\n.a\r\nend\r\n.\r\nQUIT\r\n",
        "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n.\r\nMAIL FROM:<a@b.c>\r\nRSET\r\nNOOP\r\nVRFY "
        "x\r\n"
        "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
        "EHLO c\r\nMAIL FROM:<a@b.c> BODY=BINARYMIME\r\nRCPT TO:<d@e.f>\r\nBDAT 7\r\n\r\n.\r\n\0xBDAT 3 LAST\r\nabc"
        "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nBDAT 4\r\na\r\n.BDAT 0 LAST\r\nQUIT\r\n"s,
        "EHLO c\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\nAUTH LOGIN\r\nMAIL FROM:<a@b.c> AUTH=<>\r\nRCPT "
        "TO:<d@e.f>\r\nDATA\r\n"
        "x\r\n.\r\nQUIT\r\n",
        "EHLO c\r\nAUTH LOGIN\r\neDp5\r\neA==\r\nAUTH PLAIN\r\n*\r\nAUTH XOAUTH2 "
        "dXNlcj14AWF1dGg9QmVhcmVyIHgBAQ==\r\n\r\n"
        "AUTH LOGIN YW5u\r\nc2VjcmV0\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
        "EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nbad\nline\r\n.\r\nMAIL FROM:<a@b.c>\r\n"
        "RCPT TO:<d@e.f>\r\nDATA\r\ngood\r\n.\r\nQUIT\r\n",
    };
    return all;
}

ServerOptions options() {
    auto out = ServerDialogue::defaults();
    out.mechanisms = {sasl::Mechanism::xoauth2, sasl::Mechanism::plain, sasl::Mechanism::login};
    out.clear_auth = true;
    return out;
}

}  // namespace

TEST_CASE("cut at every step: it ends, nothing is left open, nothing is made up") {
    for (const auto& script : scripts()) {
        ServerDialogue happy(options());
        happy.say(script);
        REQUIRE(happy.closed);
        REQUIRE_FALSE(happy.committed.empty());
        for (const auto cut : {Cut::eof, Cut::timeout, Cut::broken}) {
            std::size_t steps = 0;
            for (;; ++steps) {
                ServerDialogue d(options());
                if (!d.play_cut(script, steps, cut)) break;
                CHECK(d.closed);
                CHECK_FALSE(d.body);
                CHECK_FALSE(d.session.ending().empty());
                CHECK(d.committed.size() <= happy.committed.size());
                for (std::size_t i = 0; i < d.committed.size(); ++i) CHECK(d.committed[i] == happy.committed[i]);
            }
            CHECK(steps > 8);
        }
    }
}

TEST_CASE("the same in every segmentation") {
    for (const auto& script : scripts()) {
        ServerDialogue whole(options());
        whole.say(script);
        for (std::size_t piece = 1; piece < script.size(); ++piece) {
            ServerDialogue d(options());
            d.say(script, piece);
            CHECK(d.written == whole.written);
            CHECK(d.committed == whole.committed);
        }
        for (std::size_t cut = 1; cut < script.size(); ++cut) {
            ServerDialogue d(options());
            d.say(std::string_view(script).substr(0, cut));
            d.say(std::string_view(script).substr(cut));
            CHECK(d.written == whole.written);
            CHECK(d.committed == whole.committed);
        }
    }
}

TEST_CASE("a large message goes by in bounded pieces") {
    std::string body;
    while (body.size() < 1'000'000)
        body += "A line of text that is neither long nor short, but many of them follow.\r\n";
    ServerDialogue d;
    d.say("EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n" + body + ".\r\n");
    CHECK(d.committed.at(0).body == body);
    CHECK(d.largest_piece <= ServerSession::kLargeInput);
    CHECK(d.actions < 200);
}

TEST_CASE("input space: small for commands, large while a body pours in, small again") {
    ServerDialogue d;
    d.say("EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n");
    CHECK(d.session.input_space().size() <= ServerSession::kSmallInput);
    std::string body;
    while (body.size() < 4 * ServerSession::kLargeInput) body += std::string(98, 'x') + "\r\n";
    d.say(body);
    CHECK(d.session.input_space().size() == ServerSession::kLargeInput);
    d.say(".\r\n");
    CHECK(d.session.input_space().size() == ServerSession::kSmallInput);
}
