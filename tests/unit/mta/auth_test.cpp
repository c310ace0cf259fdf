// Logins through the driver: what the provider is asked, what its verdicts become.
#include <doctest/doctest.h>
#include <gsasl.h>

#include "home.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using Verdict = auth::Login::Verdict;

namespace {

std::string offer(Home& home, const char* ip) {
    auto client = home.connect(ip);
    client->heard();
    return home.say(*client, "EHLO c\r\n");
}

}  // namespace

TEST_CASE("AUTH is offered with exactly what the provider serves") {
    Home home;
    CHECK(offer(home, "127.0.0.1")
              .contains("250-AUTH SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN\r\n"));
    CHECK(offer(home, "192.0.2.7").contains("250-AUTH SCRAM-SHA-256 SCRAM-SHA-1\r\n"));
    home.provider.set_mechanisms({.password = true});
    CHECK(offer(home, "127.0.0.1").contains("250-AUTH PLAIN LOGIN\r\n"));
    CHECK_FALSE(offer(home, "192.0.2.7").contains("AUTH"));

    home.listener.protocol = mta::Protocol::smtp;
    CHECK_FALSE(offer(home, "127.0.0.1").contains("AUTH"));
    home.listener.smtp.auth = true;
    CHECK(offer(home, "127.0.0.1").contains("250-AUTH PLAIN LOGIN\r\n"));
    home.listener.protocol = mta::Protocol::lmtp;
    auto client = home.connect();
    client->heard();
    CHECK_FALSE(home.say(*client, "LHLO c\r\n").contains("AUTH"));
}

TEST_CASE("each verdict has its reply") {
    Home home;
    const auto reply = [&](const std::string& user, const std::string& password) {
        auto client = home.greeted();
        client->heard();
        return home.say(*client, "AUTH PLAIN " + Home::plain(user, password) + "\r\n").substr(0, 10);
    };
    CHECK(reply("ann@example.org", "secret") == "235 2.7.0 ");
    const auto& asked = home.provider.clients().back();
    CHECK(asked.service == "submission");
    CHECK(asked.mechanism == "PLAIN");
    CHECK(asked.ip == *net::IpAddress::parse("127.0.0.1"));
    CHECK_FALSE(asked.tls);
    CHECK_FALSE(asked.session.empty());
    CHECK(reply("ann@example.org", "wrong") == "535 5.7.8 ");
    CHECK(reply("nobody@example.org", "secret") == "535 5.7.8 ");
    home.provider.force(Verdict::disabled);
    CHECK(reply("ann@example.org", "secret") == "535 5.7.13");
    home.provider.force(Verdict::throttled);
    CHECK(reply("ann@example.org", "secret") == "454 4.7.0 ");
    home.provider.force(Verdict::unavailable);
    CHECK(reply("ann@example.org", "secret") == "454 4.7.0 ");
}

TEST_CASE("a provider that is down is no wrong password: the client may try on") {
    Home home;
    home.provider.force(Verdict::unavailable);
    auto client = home.greeted();
    for (int i = 0; i < 10; ++i)
        CHECK(home.say(*client, "AUTH PLAIN " + Home::plain("ann@example.org", "secret") + "\r\n")
                  .contains("454 4.7.0"));
    home.provider.force(Verdict::ok);
    CHECK(home.say(*client, "AUTH PLAIN " + Home::plain("ann@example.org", "secret") + "\r\n").starts_with("235 "));
}

TEST_CASE("a throttled client is sent away after some tries, by each mechanism") {
    for (const auto& line : {"AUTH PLAIN " + Home::plain("ann@example.org", "secret") + "\r\n",
                             "AUTH SCRAM-SHA-256 " + base::base64_encode("n,,n=ann,r=abc") + "\r\n"}) {
        CAPTURE(line);
        Home home;
        home.listener.smtp.max_auth_failures = 2;
        home.provider.force(Verdict::throttled);
        auto client = home.greeted();
        client->heard();
        CHECK(home.say(*client, line).starts_with("454 4.7.0 "));
        CHECK_FALSE(client->closed());
        CHECK(home.say(*client, line).ends_with("421 4.7.0 Too many failed logins\r\n"));
        CHECK(client->closed());
    }
}

TEST_CASE("failed logins end the session, and no event tells a secret") {
    Home home;
    home.listener.smtp.max_auth_failures = 2;
    auto client = home.greeted();
    home.say(*client, "AUTH PLAIN " + Home::plain("ann@example.org", "first-secret") + "\r\n");
    CHECK(home.say(*client, "AUTH PLAIN " + Home::plain("ann@example.org", "other-secret") + "\r\n")
              .ends_with("421 4.7.0 Too many failed logins\r\n"));
    CHECK(client->closed());
    CHECK(home.events.count(mail::EventKind::rejected) == 3);
    for (const auto& event : home.events.events) {
        for (const auto& text : {event.text, event.detail, event.sender}) CHECK_FALSE(text.contains("-secret"));
        for (const auto& [key, value] : event.extra) CHECK_FALSE(value.contains("-secret"));
    }
}

TEST_CASE("SCRAM: the secret is fetched, the proof is judged") {
    Home home;
    home.provider.set_scram("ann@example.org", auth::ScramHash::sha_256,
                            {.salt = *base::base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="),
                             .iterations = 4096,
                             .stored_key = *base::base64_decode("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="),
                             .server_key = *base::base64_decode("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")});
    for (const char* password : {"pencil", "pencils"}) {
        Gsasl* context = nullptr;
        Gsasl_session* session = nullptr;
        REQUIRE(gsasl_init(&context) == GSASL_OK);
        REQUIRE(gsasl_client_start(context, "SCRAM-SHA-256", &session) == GSASL_OK);
        gsasl_property_set(session, GSASL_AUTHID, "ann@example.org");
        gsasl_property_set(session, GSASL_PASSWORD, password);
        auto client = home.greeted("192.0.2.7");  // no TLS needed for this one
        client->heard();
        std::string reply = "334 ";
        std::string command = "AUTH SCRAM-SHA-256 ";
        while (reply.starts_with("334 ")) {
            char* out = nullptr;
            const auto challenge = reply.substr(4, reply.find('\r') - 4);
            gsasl_step64(session, challenge.c_str(), &out);
            reply = home.say(*client, command + (out != nullptr ? out : "") + "\r\n");
            gsasl_free(out);
            command.clear();
        }
        gsasl_finish(session);
        gsasl_done(context);
        CHECK(reply.starts_with(password == std::string("pencil") ? "235 2.7.0 " : "535 5.7.8 "));
    }
}

TEST_CASE("a token logs in") {
    Home home;
    home.provider.add_token("t0ken", "ann@example.org");
    auto client = home.greeted();
    client->heard();
    using namespace std::string_literals;
    const auto bearer = [](const std::string& token) {
        return base::base64_encode("user=ann@example.org\1auth=Bearer " + token + "\1\1");
    };
    CHECK(home.say(*client, "AUTH XOAUTH2 " + bearer("wrong") + "\r\n").starts_with("334 "));
    CHECK(home.say(*client, "\r\n").starts_with("535 5.7.8 "));
    CHECK(home.say(*client, "AUTH XOAUTH2 " + bearer("t0ken") + "\r\n").starts_with("235 "));
}

TEST_CASE("a Unix socket needs no TLS for a password") {
    Home home;
    home.listener.address = net::Endpoint{.unix_path = "/run/submission.sock"};
    CHECK(offer(home, "192.0.2.7")
              .contains("250-AUTH SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN\r\n"));
}

TEST_CASE("a front end that names another user takes the login away") {
    Home home;
    home.listener.smtp.xclient_networks = policy::loopback_networks();
    auto client = home.logged_in();
    CHECK(home.say(*client, "XCLIENT LOGIN=bob@example.org\r\n").starts_with("220 "));
    home.say(*client, "EHLO c\r\n");
    // No login of ours: neither ann's address nor her limits count.
    CHECK(home.send(*client, "bob@example.org", "far@example.net") == "250");
}
