#include "mail/received.hpp"

#include <doctest/doctest.h>

#include "mail/date.hpp"

using namespace posthorn;
using namespace posthorn::mail;

namespace {

Envelope sample() {
    Envelope envelope;
    envelope.id = *base::Ulid::parse("01J9ZQ7M5GT4ACDVBYWMD3S1NX");
    envelope.recipients.push_back({.address = {"b", "example.net"}});
    envelope.client = {.ip = "192.0.2.7", .helo = "client.example", .esmtp = true};
    envelope.arrival = base::from_ms(1'795'249'811'000);
    return envelope;
}

}  // namespace

TEST_CASE("dates") {
    CHECK(date_text(base::from_ms(0)) == "Thu, 1 Jan 1970 00:00:00 +0000");
    CHECK(date_text(base::from_ms(951'782'400'999)) == "Tue, 29 Feb 2000 00:00:00 +0000");
    CHECK(date_text(base::from_ms(1'795'249'811'000)) == "Sat, 21 Nov 2026 08:30:11 +0000");
}

TEST_CASE("Received") {
    auto envelope = sample();
    CHECK(received_field(envelope, "mx.example.org") ==
          "Received: from client.example ([192.0.2.7])\r\n"
          "\tby mx.example.org with ESMTP\r\n"
          "\tid 01J9ZQ7M5GT4ACDVBYWMD3S1NX\r\n"
          "\tfor <b@example.net>;\r\n"
          "\tSat, 21 Nov 2026 08:30:11 +0000\r\n");

    SUBCASE("over TLS, IPv6, two recipients") {
        envelope.client.ip = "2001:db8::7";
        envelope.client.tls_version = "TLSv1.3";
        envelope.client.tls_cipher = "TLS_AES_256_GCM_SHA384";
        envelope.recipients.push_back(envelope.recipients.front());
        CHECK(received_field(envelope, "mx.example.org") ==
              "Received: from client.example ([IPv6:2001:db8::7])\r\n"
              "\tby mx.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
              "\tid 01J9ZQ7M5GT4ACDVBYWMD3S1NX;\r\n"
              "\tSat, 21 Nov 2026 08:30:11 +0000\r\n");
    }
    SUBCASE("a local submitter") {
        envelope.client = {};
        CHECK(received_field(envelope, "mx.example.org")
                  .starts_with("Received: from localhost\r\n\tby mx.example.org with SMTP\r\n"));
    }
    SUBCASE("neither name nor address can be told") {
        envelope.client.ip.clear();
        envelope.client.helo = "\xe2\x82\xac_.example";
        CHECK(received_field(envelope, "mx.example.org").starts_with("Received: from localhost\r\n"));
    }
    SUBCASE("ASCII unless SMTPUTF8") {
        envelope.client.helo = "m\xc3\xbcll.example";
        envelope.recipients.front().address.local = "\xc3\xbc";
        const auto ascii = received_field(envelope, "mx.example.org");
        CHECK(ascii.find("from xn--mll-hoa.example (") != std::string::npos);
        CHECK(ascii.find("for") == std::string::npos);
        envelope.smtputf8 = true;
        CHECK(received_field(envelope, "mx.example.org").find("for <\xc3\xbc@example.net>") != std::string::npos);
    }
}

TEST_CASE("WITH keywords") {
    ClientInfo client;
    CHECK(with_keyword(client, false) == "SMTP");
    client.esmtp = true;
    CHECK(with_keyword(client, true) == "UTF8SMTP");
    client.auth_user = "joe";
    CHECK(with_keyword(client, false) == "ESMTPA");
    client.tls_version = "TLSv1.2";
    CHECK(with_keyword(client, false) == "ESMTPSA");
    CHECK(with_keyword(client, true) == "UTF8SMTPSA");
}

TEST_CASE("the WITH keyword of LMTP") {
    auto client = sample().client;
    CHECK(with_keyword(client, false, true) == "LMTP");
    CHECK(with_keyword(client, true, true) == "UTF8LMTP");
    client.tls_version = "TLSv1.3";
    CHECK(with_keyword(client, false, true) == "LMTPS");
    CHECK(with_keyword(client, false, false) == "ESMTPS");
    client.auth_user = "ann@example.org";
    CHECK(with_keyword(client, false, false) == "ESMTPSA");
    CHECK(received_field(sample(), "mx", true).contains(" with LMTP\r\n"));
}
