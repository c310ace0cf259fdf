#include "mta/receiver.hpp"

#include <doctest/doctest.h>

#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

TEST_CASE("too many connections") {
    Fixture f;
    SUBCASE("of one client") {
        f.listener.smtp.max_connections_per_client = 1;
        auto first = f.connect("192.0.2.7");
        auto second = f.connect("192.0.2.7");
        CHECK(second->heard() == "421 4.7.0 Too many connections from you\r\n");
        CHECK(second->closed());
        auto other = f.connect("192.0.2.8");
        CHECK(other->heard().starts_with("220 "));
        first.reset();
        f.loops.run_until_idle();
        CHECK(f.connect("192.0.2.7")->heard().starts_with("220 "));
    }
    SUBCASE("of one client that never ends the handshake") {
        f.listener.smtp.max_connections_per_client = 1;
        f.listener.tls = net::ListenerTls::implicit;
        auto first = f.connect("192.0.2.7");
        auto second = f.connect("192.0.2.7");
        CHECK(second->closed());
        CHECK(f.events.count(mail::EventKind::rejected) == 1);
        CHECK_FALSE(first->closed());
        CHECK_FALSE(f.connect("192.0.2.8")->closed());
        first.reset();
        f.loops.run_until_idle();
        CHECK_FALSE(f.connect("192.0.2.7")->closed());
    }
    SUBCASE("in all") {
        f.listener.smtp.max_connections = 1;
        auto first = f.connect("192.0.2.7");
        auto second = f.connect("192.0.2.8");
        CHECK(second->heard().starts_with("421 4.3.2"));
        CHECK(second->closed());
        CHECK(f.events.count(mail::EventKind::rejected) == 1);
        CHECK(f.receiver.sessions() == 1);
    }
}

TEST_CASE("going down") {
    Fixture f;
    auto idle = f.greeted();
    auto busy = f.greeted();
    f.say(*busy, kEnvelope);
    f.queue.commit_takes = 1min;
    auto committing = f.greeted();
    f.say(*committing, kEnvelope + "DATA\r\nx\r\n.\r\n");

    f.receiver.shut_down();
    f.loops.run_until_idle();
    CHECK(idle->heard() == "421 4.3.2 mx.example.org is going down, try again later\r\n");
    CHECK(idle->closed());
    CHECK(f.receiver.sessions() == 2);
    auto late = f.connect();
    CHECK(late->heard().starts_with("421 4.3.2"));

    SUBCASE("what is under way ends well") {
        f.say(*busy, "DATA\r\ny\r\n.\r\n");
        f.loops.run_for(2min);
        CHECK(busy->heard().find("250 2.0.0 Queued as") != std::string::npos);
        CHECK(committing->heard().find("250 2.0.0 Queued as") != std::string::npos);
        CHECK(f.queue.taken.size() == 2);
    }
    SUBCASE("patience ends, but not for a commit") {
        f.receiver.close_sessions();
        f.loops.run_until_idle();
        CHECK(busy->heard().starts_with("421 4.3.2"));
        CHECK(busy->closed());
        CHECK_FALSE(committing->closed());
        f.loops.run_for(2min);
        CHECK(committing->heard().find("250 2.0.0 Queued as") != std::string::npos);
        CHECK(f.queue.taken.size() == 1);
    }
    CHECK(f.receiver.sessions() == 0);
    CHECK(f.receiver.wait_drained(0s));
    CHECK(f.queue.open == 0);
}
