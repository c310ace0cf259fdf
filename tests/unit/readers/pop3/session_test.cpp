#include <doctest/doctest.h>

#include "base/log.hpp"
#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

namespace {

base::Error broken_disk() {
    return {.kind = base::ErrorKind::temporary, .status = "4.3.0", .peer_text = "no", .log_text = "disk on fire"};
}

}  // namespace

TEST_CASE("mail is listed, read, deleted at QUIT") {
    const base::log::Capture log;
    PopFixture f;
    f.put("Subject: 1\r\n\r\none\r\n");
    f.put("Subject: 2\r\n\r\n.two\r\n");
    f.put("Subject: 3\r\n\r\nthree\r\n");
    auto client = f.connect();
    CHECK(client->heard() == "+OK mx.example.org POP3 server ready\r\n");
    CHECK(f.say(*client, "USER ann@example.org\r\nPASS secret\r\n") ==
          "+OK Now the password\r\n+OK 3 messages (60 octets)\r\n");
    CHECK(f.say(*client, "RETR 2\r\n") == "+OK 20 octets\r\nSubject: 2\r\n\r\n..two\r\n.\r\n");
    CHECK(f.say(*client, "TOP 3 0\r\n") == "+OK\r\nSubject: 3\r\n\r\n.\r\n");
    const auto uids = f.say(*client, "UIDL\r\n");
    CHECK(f.say(*client, "DELE 1\r\nDELE 3\r\n") == "+OK Marked\r\n+OK Marked\r\n");
    CHECK(f.inbox().size() == 3);
    CHECK(f.say(*client, "QUIT\r\n") == "+OK mx.example.org closes, goodbye\r\n");
    CHECK(client->closed());
    CHECK(f.inbox() == std::vector<std::string>{"Subject: 2\r\n\r\n.two\r\n"});
    CHECK(log.contains("pop3.session"));
    CHECK(log.contains("ann@example.org"));
    CHECK_FALSE(log.contains("secret"));
    CHECK(f.metrics.prometheus_text().find("posthorn_pop3_messages_deleted_total 2") != std::string::npos);

    // The unique id of what stayed is the same in a later session.
    auto again = f.in();
    const auto later = f.say(*again, "UIDL 1\r\n");
    const auto id = later.substr(6, later.size() - 8);
    CHECK(uids.find("2 " + id + "\r\n") != std::string::npos);
}

TEST_CASE("who is the client, as the provider hears it") {
    PopFixture f;
    f.in();
    REQUIRE(f.provider.clients().size() == 1);
    CHECK(f.provider.clients()[0].service == "pop3");
    CHECK(f.provider.clients()[0].mechanism == "USER");
    CHECK(f.provider.clients()[0].ip == *net::IpAddress::parse("127.0.0.1"));
    CHECK_FALSE(f.provider.clients()[0].tls);
    auto stranger = f.connect("192.0.2.9");
    stranger->heard();
    CHECK(f.say(*stranger, "USER ann@example.org\r\n") == "-ERR [AUTH] Start TLS first\r\n");
}

TEST_CASE("logins that fail are told as what they are") {
    PopFixture f;
    auto client = f.connect();
    client->heard();
    CHECK(f.say(*client, "USER ann@example.org\r\nPASS wrong\r\n").find("-ERR [AUTH]") != std::string::npos);
    f.provider.force(auth::Login::Verdict::unavailable);
    CHECK(f.say(*client, "USER ann@example.org\r\nPASS secret\r\n").find("-ERR [SYS/TEMP]") != std::string::npos);
    f.provider.force(auth::Login::Verdict::ok);
    const base::log::Capture log;
    f.store.fail_with(broken_disk());
    CHECK(f.say(*client, "USER ann@example.org\r\nPASS secret\r\n").find("-ERR [SYS/TEMP]") != std::string::npos);
    CHECK(log.contains("disk on fire"));
    f.store.fail_with(std::nullopt);
}

TEST_CASE("one session a maildrop") {
    PopFixture f;
    auto first = f.in();
    auto second = f.connect();
    second->heard();
    CHECK(f.say(*second, "USER ann@example.org\r\nPASS secret\r\n").find("-ERR [IN-USE]") != std::string::npos);
    auto other = f.in("bob@example.org");
    CHECK(f.say(*other, "STAT\r\n") == "+OK 0 0\r\n");
    SUBCASE("until it quits") { f.say(*first, "QUIT\r\n"); }
    SUBCASE("until it is gone") {
        first->stream().cut();
        f.loops.run_until_idle();
    }
    SUBCASE("until it timed out") {
        f.loops.run_for(11min);
        second = f.connect();
        second->heard();
    }
    CHECK(f.say(*second, "USER ann@example.org\r\nPASS secret\r\n").ends_with("+OK 0 messages (0 octets)\r\n"));
}

TEST_CASE("a login delay") {
    PopFixture f;
    f.listener.limits.login_delay = 60;
    f.say(*f.in(), "QUIT\r\n");
    auto soon = f.connect();
    soon->heard();
    CHECK(f.say(*soon, "CAPA\r\n").find("LOGIN-DELAY 60\r\n") != std::string::npos);
    CHECK(f.say(*soon, "USER ann@example.org\r\nPASS secret\r\n").find("-ERR [LOGIN-DELAY]") != std::string::npos);
    f.loops.run_for(61s);
    CHECK(f.say(*f.in(), "STAT\r\n") == "+OK 0 0\r\n");
}

TEST_CASE("nothing is deleted but by QUIT") {
    PopFixture f;
    f.put("a\r\n");
    auto client = f.in();
    f.say(*client, "DELE 1\r\n");
    SUBCASE("a connection that breaks") { client->stream().cut(); }
    SUBCASE("a client that says nothing for ten minutes") {
        f.loops.run_for(9min);
        CHECK_FALSE(client->closed());
        f.loops.run_for(2min);
        CHECK(client->closed());
        CHECK(client->heard().empty());  // RFC 1939 §3
    }
    SUBCASE("RSET") { CHECK(f.say(*client, "RSET\r\nQUIT\r\n").find("1 messages") != std::string::npos); }
    SUBCASE("a store that fails") {
        f.store.fail_with(broken_disk());
        CHECK(f.say(*client, "QUIT\r\n") == "-ERR [SYS/TEMP] Some marked messages were not removed\r\n");
        f.store.fail_with(std::nullopt);
    }
    f.loops.run_until_idle();
    CHECK(f.inbox().size() == 1);
    CHECK(f.service.sessions() == 0);
}

TEST_CASE("QUIT deletes nothing of a maildrop that was put back from a copy") {
    const base::log::Capture quiet;
    PopFixture f;
    f.put("a\r\n");
    auto client = f.in();
    f.say(*client, "DELE 1\r\n");
    f.store.number_anew({"ann", "example.org"});
    CHECK(f.say(*client, "QUIT\r\n").starts_with("-ERR"));
    CHECK(f.inbox().size() == 1);
}

TEST_CASE("what is asked for in order is read ahead, and each is what was asked for") {
    PopFixture f;
    for (const char* text : {"one\r\n", "two\r\n", "three\r\n", "four\r\n"}) f.put(text);
    auto client = f.in();
    CHECK(f.say(*client, "RETR 1\r\n") == "+OK 5 octets\r\none\r\n.\r\n");
    f.store.fail_with(broken_disk());
    CHECK(f.say(*client, "RETR 2\r\n") == "+OK 5 octets\r\ntwo\r\n.\r\n");
    CHECK(f.say(*client, "RETR 2\r\n").starts_with("-ERR [SYS/TEMP]"));
    f.store.fail_with(std::nullopt);
    CHECK(f.say(*client, "RETR 2\r\nRETR 4\r\nRETR 3\r\n") ==
          "+OK 5 octets\r\ntwo\r\n.\r\n+OK 6 octets\r\nfour\r\n.\r\n+OK 7 octets\r\nthree\r\n.\r\n");
    CHECK(f.say(*client, "RETR 4\r\nRETR 1\r\n") == "+OK 6 octets\r\nfour\r\n.\r\n+OK 5 octets\r\none\r\n.\r\n");
}

TEST_CASE("a message that another reader has removed") {
    PopFixture f;
    f.put("a\r\n");
    auto client = f.in();
    f.store.fail_with(base::Error{.kind = base::ErrorKind::permanent, .log_text = "gone", .code = ENOENT});
    CHECK(f.say(*client, "RETR 1\r\n") == "-ERR This message is gone\r\n");
    f.store.fail_with(std::nullopt);
    CHECK(f.say(*client, "RETR 1\r\n") == "+OK 3 octets\r\na\r\n.\r\n");
}

TEST_CASE("a large message goes to a slow client as fast as it reads") {
    PopFixture f;
    std::string text = "Subject: large\r\n\r\n";
    for (int i = 0; i < 50'000; ++i) text += ".line of some length, so that it is large\r\n";
    f.put(text);
    auto client = f.in();
    client->stop_listening();
    auto heard = f.say(*client, "RETR 1\r\n");
    f.loops.run_for(1min);
    CHECK(client->heard().empty());
    client->listen_again();
    f.loops.run_until_idle();
    heard += client->heard();
    CHECK(heard.size() > text.size() + 50'000);
    CHECK(heard.ends_with("large\r\n.\r\n"));
    client->stop_listening();
    f.say(*client, "RETR 1\r\n");
    f.loops.run_for(20min);  // it never reads: the write times out
    CHECK(f.service.sessions() == 0);
}

TEST_CASE("what was read is seen") {
    PopFixture f;
    f.put("a\r\n");
    f.put("b\r\n");
    const auto unseen = [&f] {
        std::uint64_t count = 99;
        const auto look = [](PopFixture& fixture, std::uint64_t& out) -> net::Task<> {
            const auto box = co_await fixture.store.mailbox(fixture.loops.at(0), fixture.ann, "INBOX");
            if (box) out = box->unseen;
        };
        REQUIRE(f.loops.run(look(f, count)));
        return count;
    };
    f.listener.limits.mark_seen = false;
    f.say(*f.in(), "RETR 1\r\nQUIT\r\n");
    CHECK(unseen() == 2);
    f.listener.limits.mark_seen = true;
    f.say(*f.in(), "RETR 1\r\nQUIT\r\n");
    CHECK(unseen() == 1);
}

TEST_CASE("limits on connections") {
    PopFixture f;
    f.listener.limits.max_connections_per_client = 2;
    auto one = f.connect();
    auto two = f.connect();
    auto three = f.connect();
    CHECK(three->closed());
    CHECK_FALSE(two->closed());
    auto elsewhere = f.connect("192.0.2.9");
    CHECK_FALSE(elsewhere->closed());
    f.listener.limits.max_connections = 3;
    auto fourth = f.connect("192.0.2.10");
    CHECK(fourth->heard().starts_with("-ERR [SYS/TEMP] Too many connections"));
    CHECK(fourth->closed());
    CHECK(f.metrics.prometheus_text().find("posthorn_pop3_connections_turned_away_total 2") != std::string::npos);
}

TEST_CASE("the server goes down") {
    PopFixture f;
    f.put("a\r\n");
    auto idle = f.in();
    auto greeted = f.connect();
    greeted->heard();
    f.service.shut_down();
    f.loops.run_until_idle();
    CHECK(idle->heard() == "-ERR [SYS/TEMP] The server goes down\r\n");
    CHECK(idle->closed());
    CHECK(greeted->closed());
    CHECK(f.service.sessions() == 0);
    CHECK(f.service.wait_drained(1s));
}

TEST_CASE("an end in haste leaves a session that does not read, and the maildrop as it was") {
    PopFixture f;
    f.put(std::string(1'000'000, 'x'));
    auto client = f.in();
    client->stop_listening();
    f.say(*client, "DELE 1\r\nRSET\r\nRETR 1\r\n");
    f.service.shut_down();
    f.loops.run_until_idle();
    CHECK(f.service.sessions() == 1);
    f.service.close_sessions();
    f.loops.run_until_idle();
    CHECK(f.service.sessions() == 0);
    CHECK(f.inbox().size() == 1);
}

TEST_CASE("who does not log in may not stay, whatever it says") {
    PopFixture f;
    auto stranger = f.connect();
    auto known = f.in();
    for (int i = 0; i < 4; ++i) {
        f.say(*stranger, "NOOP\r\n");
        f.say(*known, "NOOP\r\n");
        CHECK_FALSE(stranger->closed());
        f.loops.run_for(50s);
    }
    CHECK(stranger->closed());
    CHECK_FALSE(known->closed());
    CHECK(f.service.sessions() == 1);
}

TEST_CASE("few connections of a client wait for its login") {
    PopFixture f;
    f.listener.limits.max_strangers_per_client = 2;
    auto one = f.in();
    auto two = f.connect();
    auto three = f.connect();
    auto four = f.connect();
    CHECK_FALSE(three->closed());
    CHECK(four->closed());
    f.say(*two, "USER bob@example.org\r\nPASS secret\r\n");
    auto five = f.connect("192.0.2.9");
    auto six = f.connect();
    CHECK_FALSE(six->closed());
    CHECK(f.connect()->closed());
}
