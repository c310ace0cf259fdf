#include "proto/smtp/client_session.hpp"

#include <doctest/doctest.h>

#include "tests/unit/proto/smtp/client_replay.hpp"

using namespace posthorn;
using namespace posthorn::smtp;
using namespace posthorn::smtp::client_test;
using Kind = mail::Outcome::Kind;

namespace {

ClientOptions options(TlsPolicy tls = TlsPolicy::none) {
    ClientOptions o;
    o.hostname = "us.example";
    o.tls = tls;
    return o;
}

const Turn kGreeting{"", "220 mx.example ESMTP\r\n"};

// Opens a session with `script`; what it failed with, if it did.
struct Opened {
    bool ready = false;
    mail::Outcome failure;
    bool plaintext_may_do = false;
    Capabilities server;
};

Opened open(ClientOptions o, std::vector<Turn> script, bool tls_fails = false) {
    ClientSession session(std::move(o));
    Replay replay{.script = std::move(script), .message = {}};
    replay.tls_fails = tls_fails;
    const bool ready = replay.run(session);
    CHECK(replay.turn == replay.script.size());
    return {ready, session.failure(), session.plaintext_may_do(), session.server()};
}

}  // namespace

TEST_CASE("open: EHLO and what it offers") {
    const auto opened = open(options(), {kGreeting,
                                         {"EHLO us.example\r\n",
                                          "250-mx.example at your service\r\n250-pipelining\r\n250-SIZE 1000\r\n"
                                          "250-8BITMIME\r\n250-STARTTLS\r\n250-CHUNKING\r\n250-BINARYMIME\r\n"
                                          "250-SMTPUTF8\r\n250-DSN\r\n250-AUTH CRAM-MD5 PLAIN LOGIN\r\n"
                                          "250-LIMITS RCPTMAX=7 MAILMAX=2 RCPTDOMAINMAX=1 X=0\r\n250 XYZZY\r\n"}});
    CHECK(opened.ready);
    const auto& s = opened.server;
    CHECK((s.pipelining && s.size && s.eight_bit_mime && s.starttls && s.chunking && s.binary_mime && s.smtputf8 &&
           s.dsn));
    CHECK(s.max_size == 1000);
    CHECK((s.auth_plain && s.auth_login));
    CHECK(s.max_recipients == 7);
    CHECK(s.max_messages == 2);
    CHECK(s.one_domain);
}

TEST_CASE("open: parameters that make no sense count for nothing") {
    const auto s =
        open(options(), {kGreeting,
                         {"EHLO us.example\r\n",
                          "250-PIPELINING\r\n250-SIZE many\r\n250-LIMITS RCPTMAX=0 MAILMAX=-1 =3 RCPTMAX\r\n"
                          "250 SIZE=5\r\n"}})
            .server;
    CHECK_FALSE(s.pipelining);  // the first line is a greeting
    CHECK(s.max_size == 0);
    CHECK(s.max_recipients == 0);
    CHECK(s.max_messages == 0);
}

TEST_CASE("open: a server from before EHLO") {
    CHECK(open(options(TlsPolicy::may),
               {kGreeting, {"EHLO us.example\r\n", "502 what?\r\n"}, {"HELO us.example\r\n", "250 ok\r\n"}})
              .ready);
    const auto strict =
        open(options(TlsPolicy::require),
             {kGreeting, {"EHLO us.example\r\n", "500 what?\r\n"}, {"HELO us.example\r\n", "250 ok\r\n"}});
    CHECK_FALSE(strict.ready);
    CHECK(strict.failure.status == "4.7.4");
    const auto refused =
        open(options(),
             {kGreeting, {"EHLO us.example\r\n", "550 no\r\n"}, {"HELO us.example\r\n", "550 5.7.1 go away\r\n"}});
    CHECK(refused.failure.kind == Kind::permanent);
    CHECK(refused.failure.status == "5.7.1");
}

TEST_CASE("open: greetings that refuse") {
    const auto busy = open(options(), {{"", "421 4.3.2 too many connections\r\n"}});
    CHECK_FALSE(busy.ready);
    CHECK(busy.failure.kind == Kind::temporary);
    CHECK(busy.failure.code == 421);
    CHECK(busy.failure.text == "too many connections");
    const auto never = open(options(), {{"", "554 no mail here\r\n"}});
    CHECK(never.failure.kind == Kind::permanent);
    CHECK(open(options(), {{"", "354 go\r\n"}}).failure.status == "4.5.0");
    CHECK(open(options(), {{"", "SSH-2.0-OpenSSH_9.2\r\n"}}).failure.status == "4.5.0");
}

TEST_CASE("open: a refusal is followed by QUIT") {
    ClientSession session(options());
    Replay replay{.script = {{"", "554 no mail here\r\n"}}, .message = {}};
    CHECK_FALSE(replay.run(session));
    CHECK(replay.written == "QUIT\r\n");
}

TEST_CASE("open: STARTTLS by policy") {
    const Turn offer{"EHLO us.example\r\n", "250-mx\r\n250-STARTTLS\r\n250 DSN\r\n"};
    const Turn without{"EHLO us.example\r\n", "250-mx\r\n250 DSN\r\n"};
    const Turn go{"STARTTLS\r\n", "220 go\r\n"};
    const Turn again{"EHLO us.example\r\n", "250-mx\r\n250 PIPELINING\r\n"};

    CHECK(open(options(TlsPolicy::none), {kGreeting, offer}).ready);
    CHECK(open(options(TlsPolicy::may), {kGreeting, without}).ready);
    for (const auto policy : {TlsPolicy::may, TlsPolicy::require, TlsPolicy::verify}) {
        const auto opened = open(options(policy), {kGreeting, offer, go, again});
        CHECK(opened.ready);
        CHECK(opened.server.pipelining);
        CHECK_FALSE(opened.server.dsn);  // what was said in the clear is forgotten
    }
    for (const auto policy : {TlsPolicy::require, TlsPolicy::verify}) {
        CHECK(open(options(policy), {kGreeting, without}).failure.status == "4.7.4");
        const auto refused = open(options(policy), {kGreeting, offer, {"STARTTLS\r\n", "454 not now\r\n"}});
        CHECK(refused.failure.status == "4.7.4");
        CHECK(refused.failure.kind == Kind::temporary);
        CHECK_FALSE(open(options(policy), {kGreeting, offer, go}, true).plaintext_may_do);
    }
    CHECK(open(options(TlsPolicy::may), {kGreeting, offer, {"STARTTLS\r\n", "454 not now\r\n"}}).ready);
    const auto failed = open(options(TlsPolicy::may), {kGreeting, offer, go}, true);
    CHECK_FALSE(failed.ready);
    CHECK(failed.plaintext_may_do);
    CHECK(failed.failure.status == "4.7.5");
}

TEST_CASE("open: nothing may stand behind the answer to STARTTLS") {
    const Turn offer{"EHLO us.example\r\n", "250-mx\r\n250 STARTTLS\r\n"};
    for (const char* injected : {"220 go\r\n250 mine\r\n", "220 go\r\n2", "220 go\r\n250-x\r\n"}) {
        const auto opened = open(options(TlsPolicy::may), {kGreeting, offer, {"STARTTLS\r\n", injected}});
        CHECK_FALSE(opened.ready);
        CHECK(opened.failure.status == "4.5.0");
        CHECK_FALSE(opened.plaintext_may_do);
    }
}

TEST_CASE("open: AUTH") {
    auto o = options();
    o.tls_active = true;
    o.credentials = Credentials{"user", "secret", false};
    const Turn plain{"EHLO us.example\r\n", "250-mx\r\n250 AUTH PLAIN LOGIN\r\n"};
    const Turn login{"EHLO us.example\r\n", "250-mx\r\n250 AUTH LOGIN\r\n"};
    CHECK(open(o, {kGreeting, plain, {"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "235 in\r\n"}}).ready);
    CHECK(open(o, {kGreeting,
                   login,
                   {"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"},
                   {"dXNlcg==\r\n", "334 UGFzc3dvcmQ6\r\n"},
                   {"c2VjcmV0\r\n", "235 in\r\n"}})
              .ready);
    const auto wrong = open(o, {kGreeting, plain, {"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "535 5.7.8 no\r\n"}});
    CHECK(wrong.failure.kind == Kind::temporary);
    CHECK(wrong.failure.status == "4.7.8");
    CHECK(wrong.failure.code == 535);
    CHECK(open(o, {kGreeting, {"EHLO us.example\r\n", "250 mx\r\n"}}).failure.status == "4.7.0");
    o.tls_active = false;
    CHECK(open(o, {kGreeting, plain}).failure.status == "4.7.11");
    o.credentials->plaintext = true;
    ClientSession session(o);
    Replay replay{.script = {kGreeting, plain, {"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "235 in\r\n"}}, .message = {}};
    CHECK(replay.run(session));
    for (const auto& line : session.dialogue().lines()) CHECK(line.find("AHV") == std::string::npos);
}

TEST_CASE("open: cut at every step, the reason is told") {
    auto o = options(TlsPolicy::may);
    o.credentials = Credentials{"user", "secret", false};
    const std::vector<Turn> script = {kGreeting,
                                      {"EHLO us.example\r\n", "250-mx\r\n250 STARTTLS\r\n"},
                                      {"STARTTLS\r\n", "220 go\r\n"},
                                      {"EHLO us.example\r\n", "250-mx\r\n250 AUTH PLAIN\r\n"},
                                      {"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "235 in\r\n"}};
    for (const auto cut : {Cut::eof, Cut::timed_out, Cut::broken}) {
        for (std::size_t at = 0; at <= script.size(); ++at) {
            ClientSession session(o);
            Replay replay{.script = script, .message = {}};
            replay.cut = cut;
            replay.cut_at = at;
            replay.octets = 1 + at;
            const bool ready = replay.run(session);
            CHECK(ready == (at == script.size()));
            if (ready) continue;
            CHECK(session.failure().kind == Kind::temporary);
            CHECK(session.failure().status == "4.4.2");
            CHECK_FALSE(session.failure().text.empty());
        }
    }
}

TEST_CASE("open: a server that hangs up over TLS may be met without, under `may` alone") {
    const std::vector<Turn> script = {kGreeting,
                                      {"EHLO us.example\r\n", "250-mx\r\n250 STARTTLS\r\n"},
                                      {"STARTTLS\r\n", "220 go\r\n"},
                                      {"EHLO us.example\r\n", "250 mx\r\n"}};
    for (const auto policy : {TlsPolicy::may, TlsPolicy::require}) {
        for (std::size_t at = 0; at < script.size(); ++at) {
            ClientSession session(options(policy));
            Replay replay{.script = script, .message = {}};
            replay.cut = Cut::eof;
            replay.cut_at = at;
            CHECK_FALSE(replay.run(session));
            CHECK(session.plaintext_may_do() == (policy == TlsPolicy::may && at >= 2));
        }
    }
}

TEST_CASE("quit: whatever the answer") {
    for (const auto cut : {Cut::none, Cut::eof, Cut::timed_out}) {
        ClientSession session(options());
        Replay replay{.script = {kGreeting, {"EHLO us.example\r\n", "250 mx\r\n"}, {"QUIT\r\n", "221 bye\r\n"}},
                      .message = {}};
        replay.cut = cut;
        replay.cut_at = 2;
        REQUIRE(replay.run(session));
        CHECK(session.reusable());
        session.quit();
        CHECK_FALSE(replay.run(session));
    }
}

TEST_CASE("ready: a server that speaks unasked is not used again") {
    for (const char* said : {"421 idle\r\n", "250 what\r\n", "nonsense\r\n"}) {
        ClientSession session(options());
        Replay replay{.script = {kGreeting, {"EHLO us.example\r\n", "250 mx\r\n"}}, .message = {}};
        REQUIRE(replay.run(session));
        session.on_bytes(said);
        CHECK_FALSE(session.reusable());
    }
}
