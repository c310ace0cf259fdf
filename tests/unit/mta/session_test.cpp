#include "mta/session.hpp"

#include <doctest/doctest.h>

#include "base/log.hpp"
#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using mail::EventKind;

TEST_CASE("a message becomes an envelope and a body") {
    Fixture f;
    f.listener.context = {{"service", "mx"}};
    f.listener.smtp.relay_domains = {"example.net"};
    auto client = f.connect("192.0.2.7");
    CHECK(client->heard() == "220 mx.example.org ESMTP Posthorn\r\n");
    f.say(*client, "EHLO client.example\r\nMAIL FROM:<a@example.org> SIZE=52 RET=HDRS ENVID=e1\r\n");
    CHECK(f.queue.last_expected == 52);
    f.say(*client, "RCPT TO:<b@example.net> NOTIFY=SUCCESS\r\nDATA\r\n");
    const auto reply = f.say(*client, kMessage + ".\r\n");
    REQUIRE(f.queue.taken.size() == 1);
    const auto& [envelope, body] = f.queue.taken.front();
    CHECK(reply == "250 2.0.0 Queued as " + envelope.id.to_string() + "\r\n");
    CHECK(body == kMessage);
    CHECK(envelope.reverse_path.to_string() == "a@example.org");
    CHECK(envelope.recipients.at(0).address.to_string() == "b@example.net");
    CHECK(envelope.recipients.at(0).notify == mail::notify::success);
    CHECK(envelope.ret == mail::DsnReturn::headers);
    CHECK(envelope.envid == "e1");
    CHECK(envelope.client.ip == "192.0.2.7");
    CHECK(envelope.client.port == 40'000);
    CHECK(envelope.client.helo == "client.example");
    CHECK(envelope.client.esmtp);
    CHECK(envelope.listener == "smtp 192.0.2.1:25");
    CHECK(envelope.arrival == f.loops.clock().wall());
    CHECK(envelope.body_size == kMessage.size());
    CHECK(envelope.header_message_id == "<1@example.org>");
    CHECK(envelope.metadata.at("service") == "mx");
    CHECK(envelope.trace_headers.starts_with(
        "Received: from client.example ([192.0.2.7])\r\n\tby mx.example.org with ESMTP\r\n"));

    CHECK(f.say(*client, "QUIT\r\n").starts_with("221 "));
    CHECK(client->closed());
    f.loops.run_until_idle();
    CHECK(f.queue.open == 0);
    const auto* accepted = f.events.find(EventKind::accepted);
    REQUIRE(accepted);
    CHECK(accepted->message_id == envelope.id);
    CHECK(accepted->sender == "a@example.org");
    CHECK(accepted->recipient == "b@example.net");
    CHECK(accepted->size == kMessage.size());
    const auto* gone = f.events.find(EventKind::disconnected);
    REQUIRE(gone);
    CHECK(gone->text == "quit");
    CHECK(gone->session == accepted->session);
}

TEST_CASE("relaying is for those who may") {
    Fixture f;
    f.listener.smtp.relay_domains = {"example.net"};
    auto stranger = f.greeted("192.0.2.7");
    f.say(*stranger, "MAIL FROM:<a@example.org>\r\n");
    CHECK(f.say(*stranger, "RCPT TO:<u@elsewhere.example>\r\n") == "550 5.7.1 We do not relay for you\r\n");
    CHECK(f.say(*stranger, "RCPT TO:<u@EXAMPLE.net>\r\n") == "250 2.1.5 Ok\r\n");
    const auto* rejected = f.events.find(EventKind::rejected);
    REQUIRE(rejected);
    CHECK(rejected->recipient == "u@elsewhere.example");
    CHECK(rejected->sender == "a@example.org");
    CHECK(rejected->detail == "RCPT");
    CHECK(rejected->code == 550);
    auto local = f.greeted("::ffff:127.0.0.1");
    f.say(*local, "MAIL FROM:<a@example.org>\r\n");
    CHECK(f.say(*local, "RCPT TO:<u@elsewhere.example>\r\n") == "250 2.1.5 Ok\r\n");
}

TEST_CASE("postmaster without a domain") {
    Fixture f;
    SUBCASE("is refused where nobody is") {
        auto client = f.greeted();
        CHECK(f.say(*client, "MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\n").find("550 5.1.1") != std::string::npos);
    }
    SUBCASE("is who the configuration says") {
        f.config.postmaster = "root@example.net";
        auto client = f.greeted("192.0.2.7");
        f.say(*client, "MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n.\r\n");
        CHECK(f.queue.taken.at(0).envelope.recipients.at(0).address.to_string() == "root@example.net");
    }
}

TEST_CASE("the spool in trouble") {
    Fixture f;
    base::log::Capture quiet;
    auto client = f.greeted();
    const auto full = base::Error{base::ErrorKind::temporary, "4.3.1", "Not enough room", "disk full", 0};
    SUBCASE("no room: said at MAIL") {
        f.queue.begin_error = full;
        CHECK(f.say(*client, kEnvelope).starts_with("452 4.3.1 Not enough room\r\n503 "));
        f.queue.begin_error.reset();
        CHECK(f.say(*client, kEnvelope).starts_with("250 "));
    }
    SUBCASE("full in the middle: said at the end, and the body is gone at once") {
        f.queue.flush_error = full;
        f.say(*client, kEnvelope + "DATA\r\n");
        std::string half;
        while (half.size() < 100'000) half += "A line of the message, of which there are many.\r\n";
        CHECK(f.say(*client, half).empty());
        CHECK(f.queue.open == 0);
        CHECK(f.say(*client, ".\r\n") == "452 4.3.1 Not enough room\r\n");
        CHECK(quiet.contains("disk full"));
        CHECK(f.queue.taken.empty());
    }
    SUBCASE("not durable") {
        f.queue.commit_error = base::Error{base::ErrorKind::temporary, "", "", "fdatasync: Input/output error", 5};
        CHECK(f.say(*client, kEnvelope + "DATA\r\nx\r\n.\r\n")
                  .ends_with("451 4.3.0 Local trouble, try again later\r\n"));
        CHECK(f.events.count(EventKind::accepted) == 0);
        CHECK(f.say(*client, "NOOP\r\n").starts_with("250 "));
    }
    SUBCASE("going down") {
        f.queue.begin_error =
            base::Error{base::ErrorKind::temporary, "4.3.2", "System is shutting down", "stopping", 0};
        CHECK(f.say(*client, "MAIL FROM:<>\r\n") == "421 4.3.2 System is shutting down\r\n");
        CHECK(client->closed());
    }
    SUBCASE("the log is broken") {
        f.queue.is_broken = true;
        CHECK(f.say(*client, "MAIL FROM:<>\r\n").starts_with("421 4.3.2"));
        CHECK(client->closed());
        auto other = f.connect();
        CHECK(other->heard().starts_with("421 4.3.2"));
    }
}

TEST_CASE("a large message waits for the disk now and then") {
    Fixture f;
    auto client = f.greeted();
    std::string body;
    while (body.size() < 1'000'000)
        body += "A line of text that is neither long nor short, but many of them follow.\r\n";
    f.say(*client, kEnvelope + "DATA\r\n");
    f.say(*client, body + ".\r\n");
    CHECK(f.queue.taken.at(0).body == body);
    CHECK(f.queue.flushes >= 10);
}

TEST_CASE("TLS") {
    Fixture f;
    auto client = f.connect();
    f.say(*client, "EHLO before.example\r\n");
    SUBCASE("starts, and the message tells") {
        client->start_tls("STARTTLS\r\n");
        f.loops.run_until_idle();
        CHECK(client->heard() == "220 2.0.0 Ready for TLS\r\n");
        f.say(*client, "EHLO after.example\r\n" + kEnvelope + "DATA\r\nx\r\n.\r\n");
        REQUIRE(f.queue.taken.size() == 1);
        const auto& envelope = f.queue.taken.at(0).envelope;
        CHECK_FALSE(envelope.client.tls_version.empty());
        CHECK(envelope.client.helo == "after.example");
        CHECK(envelope.trace_headers.find("with ESMTPS (") != std::string::npos);
        CHECK(f.events.count(EventKind::tls_started) == 1);
    }
    SUBCASE("fails, and the session ends") {
        CHECK(f.say(*client, "STARTTLS\r\n").starts_with("220 "));
        client->vanish();
        f.loops.run_until_idle();
        CHECK(f.receiver.sessions() == 0);
    }
}

TEST_CASE("PROXY header and XCLIENT") {
    Fixture f;
    SUBCASE("the client behind a proxy") {
        f.listener.smtp.proxy_networks = policy::loopback_networks();
        auto client = f.connect();
        CHECK(client->heard().empty());
        CHECK(f.say(*client, "PROXY TCP4 192.0.2.55 192.0.2.1 4711 25\r\nEHLO c.example\r\n").starts_with("220 "));
        f.say(*client, "MAIL FROM:<>\r\n");
        CHECK(f.say(*client, "RCPT TO:<u@elsewhere.example>\r\n").starts_with("550 "));
        CHECK(f.events.find(EventKind::connected)->client_ip == "192.0.2.55");
        auto bad = f.connect();
        f.say(*bad, "EHLO c.example\r\n");
        CHECK(bad->closed());
        CHECK(f.events.count(EventKind::security) == 1);
    }
    SUBCASE("XCLIENT loses the rights of who speaks it") {
        f.listener.smtp.xclient_networks = policy::loopback_networks();
        auto client = f.greeted();
        CHECK(f.say(*client, "XCLIENT ADDR=192.0.2.55\r\n").starts_with("220 "));
        CHECK(f.say(*client, "EHLO c.example\r\n").find("XCLIENT") != std::string::npos);
        f.say(*client, "MAIL FROM:<>\r\n");
        CHECK(f.say(*client, "RCPT TO:<u@elsewhere.example>\r\n").starts_with("550 "));
        CHECK(f.say(*client, "RSET\r\nXCLIENT ADDR=[UNAVAILABLE]\r\n").find("220 ") != std::string::npos);
        f.say(*client, "EHLO c.example\r\nMAIL FROM:<>\r\n");
        CHECK(f.say(*client, "RCPT TO:<u@elsewhere.example>\r\n").starts_with("550 "));
    }
}

TEST_CASE("a client that leaves in the middle leaves nothing") {
    Fixture f;
    for (const auto& last : {std::string{}, kEnvelope, kEnvelope + "DATA\r\n", kEnvelope + "DATA\r\nhalf a line",
                             kEnvelope + "BDAT 10\r\nfive"}) {
        auto client = f.greeted();
        f.say(*client, last);
        client->vanish();
        f.loops.run_until_idle();
        CHECK(f.receiver.sessions() == 0);
        CHECK(f.queue.open == 0);
    }
    CHECK(f.queue.taken.empty());
    CHECK(f.events.count(EventKind::disconnected) == 5);
}
