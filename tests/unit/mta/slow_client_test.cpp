// Clients that buy time: every wait has its end, whatever trickles in.
#include <doctest/doctest.h>

#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

namespace {

// Sends `octets` each minute until the session is over or two hours have passed; gives the minutes it lasted.
int trickle(Fixture& f, LineClient& client, const std::string& octets) {
    int minutes = 0;
    while (!client.closed() && minutes < 120) {
        f.loops.run_for(1min);
        if (client.closed()) break;
        ++minutes;
        client.send(octets);
        f.loops.run_until_idle();
    }
    return minutes;
}

}  // namespace

TEST_CASE("silence") {
    Fixture f;
    auto client = f.connect();
    SUBCASE("after the greeting") {
        f.loops.run_for(4min + 59s);
        CHECK_FALSE(client->closed());
        f.loops.run_for(2s);
        CHECK(client->closed());
    }
    SUBCASE("after 354") {
        f.say(*client, "EHLO c\r\n" + kEnvelope + "DATA\r\n");
        f.loops.run_for(1min + 59s);
        CHECK_FALSE(client->closed());
        f.loops.run_for(2s);
        CHECK(client->closed());
    }
    SUBCASE("in the body") {
        f.say(*client, "EHLO c\r\n" + kEnvelope + "DATA\r\n");
        f.say(*client, std::string(500, 'x') + "\r\n" + std::string(600, 'x') + "\r\n");
        f.loops.run_for(2min + 59s);
        CHECK_FALSE(client->closed());
        f.loops.run_for(2s);
        CHECK(client->closed());
        CHECK(f.queue.open == 0);
    }
    CHECK(client->heard().ends_with("421 4.4.2 mx.example.org has waited too long\r\n"));
    CHECK(f.receiver.sessions() == 0);
    CHECK(f.events.find(mail::EventKind::disconnected)->text == "timed out");
}

TEST_CASE("an octet a minute") {
    Fixture f;
    auto client = f.greeted();
    SUBCASE("of a command") { CHECK(trickle(f, *client, "x") <= 5); }
    SUBCASE("of a body") {
        f.say(*client, kEnvelope + "DATA\r\n");
        CHECK(trickle(f, *client, "x") <= 3);
    }
    SUBCASE("of a chunk") {
        f.say(*client, kEnvelope + "BDAT 1000\r\n");
        CHECK(trickle(f, *client, "x") <= 3);
    }
    CHECK(client->closed());
    CHECK(f.receiver.sessions() == 0);
}

TEST_CASE("enough to go on, for ever: the session has its own limit") {
    Fixture f;
    auto client = f.greeted();
    SUBCASE("commands") {
        const auto minutes = trickle(f, *client, "NOOP\r\n");
        CHECK(minutes >= 29);
        CHECK(minutes <= 30);
    }
    SUBCASE("a body") {
        f.say(*client, kEnvelope + "DATA\r\n");
        const auto minutes = trickle(f, *client, std::string(900, 'x') + "\r\n" + std::string(900, 'x') + "\r\n");
        CHECK(minutes >= 29);
        CHECK(minutes <= 30);
    }
    CHECK(client->heard().find("421 4.4.2") != std::string::npos);
}

TEST_CASE("a client that does not read") {
    Fixture f;
    auto client = f.greeted();
    client->stop_listening();
    std::string help;
    for (int i = 0; i < 5000; ++i) help += "HELP\r\n";
    client->send(help);
    f.loops.run_for(6min);
    CHECK(f.receiver.sessions() == 0);
}
