// What our own users may send.
#include <doctest/doctest.h>

#include "home.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

TEST_CASE("submission wants a login first, also from networks that may relay") {
    Home home;
    auto client = home.greeted("127.0.0.1");
    client->heard();
    CHECK(home.send(*client, "ann@example.org", "far@example.net") == "530 5.7.0");
    CHECK(home.queue.taken.empty());
}

TEST_CASE("who has logged in may send to any domain, and the message says how it came") {
    Home home;
    auto client = home.logged_in();
    CHECK(home.send(*client, "ann@example.org", "far@example.net") == "250");
    REQUIRE(home.queue.taken.size() == 1);
    const auto& envelope = home.queue.taken[0].envelope;
    CHECK(envelope.client.auth_user == "ann@example.org");
    CHECK(envelope.listener.starts_with("submission "));
    CHECK(envelope.trace_headers.contains(" with ESMTPA\r\n"));
    CHECK_FALSE(envelope.trace_headers.contains("ann@example.org"));
    const auto* accepted = home.events.find(mail::EventKind::accepted);
    REQUIRE(accepted != nullptr);
    const std::pair<std::string, std::string> user{"user", "ann@example.org"};
    CHECK(std::ranges::find(accepted->extra, user) != accepted->extra.end());
}

TEST_CASE("Date and Message-ID are added where they are missing; the body is not touched") {
    Home home;
    auto client = home.logged_in();
    home.send(*client, "ann@example.org", "far@example.net", "Subject: x\r\n\r\nDate: no\r\n");
    home.send(*client, "ann@example.org", "far@example.net", "date: then\r\nMESSAGE-ID:\r\n <1@x>\r\n\r\nx\r\n");
    REQUIRE(home.queue.taken.size() == 2);
    const auto& bare = home.queue.taken[0];
    CHECK(bare.envelope.trace_headers.contains("\r\nDate: "));
    CHECK(bare.envelope.trace_headers.contains("\r\nMessage-ID: <" + bare.envelope.id.to_string() +
                                               "@mx.example.org>\r\n"));
    CHECK(bare.body == "Subject: x\r\n\r\nDate: no\r\n");
    const auto& whole = home.queue.taken[1];
    CHECK_FALSE(whole.envelope.trace_headers.contains("Date:"));
    CHECK_FALSE(whole.envelope.trace_headers.contains("Message-ID:"));
    CHECK(whole.envelope.header_message_id == "<1@x>");
}

TEST_CASE("the sender is the account's own, by any of its names") {
    Home home;
    auto client = home.logged_in();
    CHECK(home.send(*client, "ann@example.org", "far@example.net") == "250");
    CHECK(home.send(*client, "Ann+lists@Example.ORG", "far@example.net") == "250");
    CHECK(home.send(*client, "info@example.org", "far@example.net") == "250");
    CHECK(home.send(*client, "", "far@example.net") == "250");
    CHECK(home.send(*client, "bob@example.org", "far@example.net") == "553 5.7.1");
    CHECK(home.send(*client, "someone@example.net", "far@example.net") == "553 5.7.1");
    home.directory.set_down(true);
    CHECK(home.send(*client, "ann@example.org", "far@example.net") == "451 4.3.0");
    home.directory.set_down(false);
    home.config.submission.sender_ownership = false;
    auto free = home.logged_in();
    CHECK(home.send(*free, "someone@example.net", "far@example.net") == "250");
}

TEST_CASE("an account sends so many messages an hour") {
    Home home;
    home.config.submission.messages_per_hour = 2;
    auto client = home.logged_in();
    CHECK(home.send(*client, "ann@example.org", "far@example.net") == "250");
    auto other = home.logged_in();
    CHECK(home.send(*other, "ann@example.org", "far@example.net") == "250");
    CHECK(home.send(*client, "ann@example.org", "far@example.net") == "450 4.7.1");
    home.provider.add("bob@example.org", "secret");
    auto bob = home.logged_in("bob@example.org");
    CHECK(home.send(*bob, "bob@example.org", "far@example.net") == "250");
    home.loops.run_for(66min);
    auto later = home.logged_in();
    CHECK(home.send(*later, "ann@example.org", "far@example.net") == "250");
}

TEST_CASE("messages of two sessions at once count together") {
    Home home;
    home.config.submission.messages_per_hour = 1;
    auto one = home.logged_in();
    auto two = home.logged_in();
    const std::string begin = "MAIL FROM:<ann@example.org>\r\nRCPT TO:<far@example.net>\r\nDATA\r\n";
    home.say(*one, begin);
    home.say(*two, begin);
    CHECK(home.say(*one, kMessage + ".\r\n").starts_with("250 "));
    CHECK(home.say(*two, kMessage + ".\r\n").starts_with("450 4.7.1 "));
    CHECK(home.queue.taken.size() == 1);
    CHECK(home.queue.open == 0);
}

TEST_CASE("an account's own limits go before the configuration's") {
    Home home;
    auto& account = home.provider.add("ann@example.org", "secret");
    account.send = {.recipients_per_day = 2, .max_message_size = 60};
    auto client = home.logged_in();
    home.say(*client, "MAIL FROM:<ann@example.org>\r\nRCPT TO:<a@example.net>\r\nRCPT TO:<b@example.net>\r\n");
    CHECK(home.say(*client, "RCPT TO:<c@example.net>\r\n").starts_with("450 4.7.1 "));
    CHECK(home.say(*client, "DATA\r\n").starts_with("354 "));
    CHECK(home.say(*client, "x\r\n.\r\n").starts_with("250 "));
    CHECK(home.send(*client, "ann@example.org", "d@example.net") == "450 4.7.1");

    account.send = {.max_message_size = 60};
    auto other = home.logged_in();
    CHECK(home.say(*other, "MAIL FROM:<ann@example.org> SIZE=61\r\n").starts_with("552 5.3.4 "));
    CHECK(home.send(*other, "ann@example.org", "d@example.net", std::string(70, 'x') + "\r\n") == "552 5.3.4");
    CHECK(home.send(*other, "ann@example.org", "d@example.net", "x\r\n") == "250");
}

TEST_CASE("FUTURERELEASE: offered to submitters, kept in the envelope") {
    Home home;
    home.config.submission.max_hold = 24h;
    auto client = home.logged_in();
    CHECK(home.say(*client, "EHLO c\r\n").contains("250-FUTURERELEASE 86400 "));
    home.say(*client, "MAIL FROM:<ann@example.org> HOLDFOR=3600\r\nRCPT TO:<far@example.net>\r\nDATA\r\n");
    const auto at = home.loops.clock().wall();
    CHECK(home.say(*client, kMessage + ".\r\n").starts_with("250 "));
    REQUIRE(home.queue.taken.size() == 1);
    CHECK(home.queue.taken[0].envelope.hold_until == at + 1h);

    home.listener.protocol = mta::Protocol::smtp;
    auto plain = home.connect();
    plain->heard();
    CHECK_FALSE(home.say(*plain, "EHLO c\r\n").contains("FUTURERELEASE"));
}

TEST_CASE("a login counts on a listener for mail from outside, too, where it is offered") {
    Home home;
    home.listener.protocol = mta::Protocol::smtp;
    home.listener.smtp.auth = true;
    home.listener.smtp.relay_networks = {};
    auto stranger = home.greeted();
    stranger->heard();
    CHECK(home.send(*stranger, "x@example.net", "far@example.net") == "550 5.7.1");
    auto client = home.logged_in();
    CHECK(home.send(*client, "ann@example.org", "far@example.net") == "250");
    CHECK(home.send(*client, "x@example.net", "far@example.net") == "553 5.7.1");
}
