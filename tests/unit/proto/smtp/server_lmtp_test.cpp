// The same machine as an LMTP server (RFC 2033).
#include <doctest/doctest.h>

#include <stdexcept>

#include "dialogue.hpp"

using namespace posthorn;
using namespace posthorn::smtp;
using namespace posthorn::smtp::test;
using namespace std::string_literals;

namespace {

ServerOptions lmtp() {
    auto options = ServerDialogue::defaults();
    options.dialect = Dialect::lmtp;
    return options;
}

ServerDialogue greeted(ServerOptions options = lmtp()) {
    ServerDialogue d(std::move(options));
    d.commit_one = [](const mail::Recipient& recipient) {
        if (recipient.address.local == "full") return ServerReply{552, "5.2.2", "Mailbox full"};
        return ServerReply{250, "2.0.0", "Kept for " + recipient.address.local};
    };
    d.say("LHLO c\r\n");
    return d;
}

const std::string kThree = "MAIL FROM:<a@b.c>\r\nRCPT TO:<x@b.c>\r\nRCPT TO:<full@b.c>\r\nRCPT TO:<y@b.c>\r\n";

}  // namespace

TEST_CASE("LHLO, and neither HELO nor EHLO") {
    ServerDialogue d(lmtp());
    CHECK(d.run() == "220 mx.example.org LMTP Posthorn\r\n");
    CHECK(d.say("EHLO c\r\n").starts_with("500 5.5.1 "));
    CHECK(d.say("HELO c\r\n").starts_with("500 5.5.1 "));
    CHECK(d.say("MAIL FROM:<a@b.c>\r\n").starts_with("503 5.5.1 "));
    const auto offer = d.say("LHLO c\r\n");
    for (const char* extension : {"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SIZE", "CHUNKING"})
        CHECK(offer.contains(extension));
    CHECK(ServerDialogue().say("LHLO c\r\n").ends_with("500 5.5.1 This is no LMTP\r\n"));
}

TEST_CASE("LMTP: a reply for each recipient that was accepted, in their order") {
    auto d = greeted();
    d.judge = [](Subject subject, ServerSession& session) {
        const bool no = subject == Subject::recipient && session.candidate().address.local == "no";
        return no ? Verdict::no({550, "5.1.1", "No such user"}) : Verdict::yes();
    };
    d.say(
        "MAIL FROM:<a@b.c>\r\nRCPT TO:<x@b.c>\r\nRCPT TO:<no@b.c>\r\nRCPT TO:<full@b.c>\r\nRCPT "
        "TO:<y@b.c>\r\nDATA\r\n");
    CHECK(d.say("hello\r\n.\r\n") == "250 2.0.0 Kept for x\r\n552 5.2.2 Mailbox full\r\n250 2.0.0 Kept for y\r\n");
    REQUIRE(d.committed.size() == 1);
    CHECK(d.committed[0].to == std::vector<std::string>{"x@b.c", "y@b.c"});
    CHECK(d.last_write.timeout == ServerTimeout::data_termination);
    CHECK(d.notices.back().recipient == "full@b.c");
    CHECK(d.session.accepted() == 1);
}

TEST_CASE("LMTP: a message that is refused is refused to each recipient, and to nobody as the session's error") {
    auto options = lmtp();
    options.max_errors = 2;
    auto d = greeted(options);
    d.say(kThree + "DATA\r\n");
    CHECK(d.say("bad\nline\r\n.\r\n").starts_with("554 5.6.0 "));
    CHECK(d.written.ends_with("\r\n"));
    std::size_t replies = 0;
    for (std::size_t at = 0; (at = d.written.find("554 5.6.0 ", at)) != std::string::npos; ++at) ++replies;
    CHECK(replies == 3);
    CHECK(d.committed.empty());
    CHECK(d.say("NOOP\r\n").starts_with("250 "));
}

TEST_CASE("LMTP: BDAT has one reply a chunk, and one a recipient at the last") {
    auto d = greeted();
    d.say(kThree);
    CHECK(d.say("BDAT 4\r\nab\r\n") == "250 2.0.0 4 octets taken\r\n");
    CHECK(d.say("BDAT 0 LAST\r\n") == "250 2.0.0 Kept for x\r\n552 5.2.2 Mailbox full\r\n250 2.0.0 Kept for y\r\n");
    d.say(kThree);
    CHECK(d.say("BDAT 4\r\na\nb\n").starts_with("554 5.6.0 "));
    const auto last = d.say("BDAT 0 LAST\r\n");
    CHECK(last.starts_with("503 5.5.1 "));
    CHECK(std::ranges::count(last, '\n') == 3);
    CHECK(d.say("NOOP\r\n").starts_with("250 "));
}

TEST_CASE("LMTP: DATA without a recipient that was accepted is 503") {
    auto d = greeted();
    d.judge = [](Subject subject, ServerSession&) {
        return subject == Subject::recipient ? Verdict::no({550, "5.1.1", "No"}) : Verdict::yes();
    };
    d.say("MAIL FROM:<a@b.c>\r\nRCPT TO:<x@b.c>\r\n");
    CHECK(d.say("DATA\r\n").starts_with("503 5.5.1 "));
}

TEST_CASE("LMTP: as many replies as recipients, in bounded writes") {
    auto options = lmtp();
    options.max_recipients = 5000;
    auto d = greeted(options);
    std::string script = "MAIL FROM:<a@b.c>\r\n";
    for (int i = 0; i < 5000; ++i) script += "RCPT TO:<u" + std::to_string(i) + "@b.c>\r\n";
    d.say(script + "DATA\r\n");
    d.writes.clear();
    const auto replies = d.say("x\r\n.\r\nNOOP\r\n");
    CHECK(std::ranges::count(replies, '\n') == 5001);
    CHECK(replies.ends_with("250 2.0.0 Kept for u4999\r\n250 2.0.0 Ok\r\n"));
    for (const auto size : d.writes) CHECK(size <= 2 * ServerSession::kMaxOutput);
}

TEST_CASE("LMTP: cut at every step it ends, and nothing is made up") {
    const auto script = "LHLO c\r\n" + kThree + "DATA\r\nx\r\n.\r\n" + kThree + "BDAT 3 LAST\r\na\r\nQUIT\r\n";
    for (const auto cut : {Cut::eof, Cut::timeout, Cut::broken}) {
        for (std::size_t steps = 0;; ++steps) {
            ServerDialogue d(lmtp());
            if (!d.play_cut(script, steps, cut)) break;
            CHECK(d.closed);
            CHECK_FALSE(d.body);
        }
    }
    ServerDialogue whole(lmtp());
    whole.say(script);
    for (std::size_t piece = 1; piece < script.size(); ++piece) {
        ServerDialogue d(lmtp());
        d.say(script, piece);
        CHECK(d.written == whole.written);
    }
}

TEST_CASE("LMTP: the driver answers a commit for each recipient, or it is its bug") {
    ServerSession session(lmtp(), {});
    ServerDialogue d(lmtp());
    d.commit_one = [](const mail::Recipient&) -> ServerReply { throw std::logic_error("asked"); };
    d.say("LHLO c\r\n" + kThree + "DATA\r\n");
    CHECK_THROWS_AS(d.say("x\r\n.\r\n"), std::logic_error);
    CHECK_THROWS_AS(d.session.on_replies({}), std::logic_error);
}
