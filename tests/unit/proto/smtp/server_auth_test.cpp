// AUTH, what needs it, and FUTURERELEASE.
#include <doctest/doctest.h>

#include "base/base64.hpp"
#include "dialogue.hpp"

using namespace posthorn;
using namespace posthorn::smtp;
using namespace posthorn::smtp::test;
using namespace std::string_literals;
using namespace std::chrono_literals;

namespace {

using sasl::Mechanism;

ServerOptions with_auth() {
    auto options = ServerDialogue::defaults();
    options.mechanisms = {Mechanism::scram_sha_256_plus,
                          Mechanism::scram_sha_256,
                          Mechanism::external,
                          Mechanism::xoauth2,
                          Mechanism::plain,
                          Mechanism::login};
    options.max_auth_failures = 3;
    return options;
}

ServerOptions submission() {
    auto options = with_auth();
    options.auth_required = true;
    return options;
}

// Greeted, behind STARTTLS.
ServerDialogue secure(ServerOptions options = with_auth()) {
    ServerDialogue d(std::move(options));
    d.say("EHLO c\r\n");
    d.say("STARTTLS\r\n");
    d.say("EHLO c\r\n");
    return d;
}

std::string plain(const std::string& user, const std::string& password) {
    return base::base64_encode("\0"s + user + "\0"s + password);
}

}  // namespace

TEST_CASE("AUTH offers in the clear nothing that shows its secret, and only what can be used") {
    ServerDialogue d(with_auth());
    CHECK(d.say("EHLO c\r\n").contains("\r\n250-AUTH SCRAM-SHA-256\r\n"));
    d.say("STARTTLS\r\n");
    CHECK(d.say("EHLO c\r\n").contains("\r\n250-AUTH SCRAM-SHA-256 XOAUTH2 PLAIN LOGIN\r\n"));

    auto all_in_clear = with_auth();
    all_in_clear.mechanisms = {Mechanism::plain};
    CHECK_FALSE(ServerDialogue(all_in_clear).say("EHLO c\r\n").contains("AUTH"));
    all_in_clear.clear_auth = true;
    CHECK(ServerDialogue(all_in_clear).say("EHLO c\r\n").contains("250-AUTH PLAIN\r\n"));
    CHECK_FALSE(ServerDialogue().say("EHLO c\r\n").contains("AUTH"));
}

TEST_CASE("-PLUS and EXTERNAL are offered where TLS has what they need") {
    auto options = with_auth();
    options.implicit_tls = true;
    ServerSession session(options, {});
    CHECK(session.next().kind == ServerAction::Kind::start_tls);
    session.on_tls("TLSv1.3", "X", {.tls_exporter = std::string(32, 'x'), .certificate = true});
    session.next();
    session.on_verdict(Verdict::yes());
    session.next();
    session.on_written();
    session.next();
    const std::string hello = "EHLO c\r\n";
    std::ranges::copy(hello, session.input_space().begin());
    session.on_bytes(hello.size());
    CHECK(session.next().bytes.contains("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL XOAUTH2 PLAIN LOGIN\r\n"));
}

TEST_CASE("AUTH PLAIN with an initial response") {
    auto d = secure();
    CHECK(d.say("AUTH PLAIN " + plain("ann", "secret") + "\r\n") == "235 2.7.0 Authentication succeeded\r\n");
    CHECK(d.session.peer().auth_user == "ann@example.org");
    CHECK(d.asked == std::vector<std::string>{"ann:secret"});
    CHECK(d.say("AUTH PLAIN " + plain("ann", "secret") + "\r\n").starts_with("503 5.5.1 "));
    CHECK(d.say("MAIL FROM:<a@b.c> AUTH=ann+40example.org\r\n").starts_with("250 "));
    CHECK(d.session.transaction().mail.auth == "ann+40example.org");
}

TEST_CASE("AUTH PLAIN and LOGIN, asked step by step") {
    auto d = secure();
    CHECK(d.say("auth plain\r\n") == "334 \r\n");
    CHECK(d.say(plain("ann", "secret") + "\r\n").starts_with("235 "));
    auto other = secure();
    CHECK(other.say("AUTH LOGIN\r\n") == "334 VXNlcm5hbWU6\r\n");
    CHECK(other.say("YW5u\r\n") == "334 UGFzc3dvcmQ6\r\n");
    CHECK(other.say("c2VjcmV0\r\n").starts_with("235 "));
}

TEST_CASE("AUTH that fails: wrong, cancelled, no Base64, not what the mechanism says") {
    auto d = secure();
    CHECK(d.say("AUTH PLAIN " + plain("ann", "wrong") + "\r\n") ==
          "535 5.7.8 Authentication credentials invalid\r\n");
    CHECK(d.session.peer().auth_user.empty());
    CHECK(d.say("AUTH PLAIN\r\n*\r\n").ends_with("501 5.7.0 Authentication cancelled\r\n"));
    CHECK(d.say("AUTH PLAIN\r\n???\r\n").ends_with("501 5.5.2 That is not Base64\r\n"));
    CHECK(d.say("AUTH PLAIN a=b\r\n").starts_with("501 5.5.2 "));
    CHECK(d.say("AUTH PLAIN =\r\n").starts_with("501 5.5.2 "));  // an empty one is no PLAIN
    CHECK(d.say("AUTH PLAIN " + plain("ann", "secret") + "\r\n").starts_with("235 "));
    for (const auto& notice : d.notices) {
        CHECK(notice.stage == "AUTH");
        CHECK_FALSE(notice.text.contains("wrong"));
    }
}

TEST_CASE("AUTH: syntax, sequence, mechanisms") {
    CHECK(ServerDialogue().say("AUTH PLAIN\r\n").ends_with("502 5.5.1 AUTH is not offered here\r\n"));
    ServerDialogue early(with_auth());
    CHECK(early.say("AUTH PLAIN\r\n").ends_with("503 5.5.1 Say EHLO first\r\n"));
    early.say("HELO c\r\n");
    CHECK(early.say("AUTH SCRAM-SHA-256\r\n").starts_with("503 "));

    ServerDialogue clear(with_auth());
    clear.say("EHLO c\r\n");
    CHECK(clear.say("AUTH PLAIN " + plain("ann", "secret") + "\r\n").starts_with("538 5.7.11 "));
    CHECK(clear.asked.empty());
    CHECK(clear.say("AUTH EXTERNAL =\r\n").starts_with("504 5.5.4 "));
    CHECK(clear.say("AUTH SCRAM-SHA-256-PLUS\r\n").starts_with("504 5.5.4 "));

    auto d = secure();
    CHECK(d.say("AUTH\r\n").starts_with("501 5.5.4 "));
    CHECK(d.say("AUTH PLAIN a b\r\n").starts_with("501 5.5.4 "));
    CHECK(d.say("AUTH CRAM-MD5\r\n").starts_with("504 5.5.4 "));
    d.say("MAIL FROM:<a@b.c>\r\n");
    CHECK(d.say("AUTH PLAIN\r\n").starts_with("503 5.5.1 "));
}

TEST_CASE("AUTH that cannot be looked up is temporary and no failure of the client's") {
    auto d = secure();
    for (int i = 0; i < 10; ++i)
        CHECK(d.say("AUTH PLAIN " + plain("down", "x") + "\r\n") ==
              "454 4.7.0 Logins cannot be checked now, try again later\r\n");
    CHECK_FALSE(d.closed);
}

TEST_CASE("AUTH that fails too often ends the session") {
    auto d = secure();
    d.say("AUTH PLAIN " + plain("ann", "1") + "\r\n");
    d.say("AUTH PLAIN " + plain("ann", "2") + "\r\n");
    CHECK(d.say("AUTH PLAIN " + plain("ann", "3") + "\r\n").ends_with("421 4.7.0 Too many failed logins\r\n"));
    CHECK(d.closed);
    CHECK(d.session.ending() == "too many failed logins");
}

TEST_CASE("AUTH that is throttled is temporary, but ends the session like any other failure") {
    auto d = secure();
    for (int i = 0; i < 2; ++i)
        CHECK(d.say("AUTH PLAIN " + plain("busy", "x") + "\r\n") ==
              "454 4.7.0 Too many failed logins, try again later\r\n");
    CHECK_FALSE(d.closed);
    CHECK(d.say("AUTH PLAIN " + plain("busy", "x") + "\r\n") ==
          "454 4.7.0 Too many failed logins, try again later\r\n421 4.7.0 Too many failed logins\r\n");
    CHECK(d.closed);
}

TEST_CASE("a refused token is told in two steps") {
    auto d = secure();
    const auto token = base::base64_encode("user=bob\1auth=Bearer x\1\1"s);
    CHECK(d.say("AUTH XOAUTH2 " + token + "\r\n").starts_with("334 "));
    CHECK(d.say("\r\n") == "535 5.7.8 Authentication credentials invalid\r\n");
}

TEST_CASE("AUTH lines may have 12288 octets, CRLF included, and no more; other lines not") {
    auto d = secure();
    std::string token = "user=ann\1auth=Bearer "s;
    const auto padded = [&](std::size_t line) {
        // A token as long as fits, its Base64 then as long as the line wants.
        auto text = base::base64_encode(token + std::string(8192, 'a') + "\1\1");
        return text + std::string(line - 2 - text.size(), '=') + "\r\n";
    };
    CHECK(d.say("AUTH XOAUTH2\r\n") == "334 \r\n");
    CHECK(d.say(padded(ServerSession::kMaxAuthLine)).starts_with("501 5.5.2 "));  // read whole, but no Base64
    CHECK(d.say("AUTH XOAUTH2\r\n") == "334 \r\n");
    CHECK(d.say(padded(ServerSession::kMaxAuthLine + 1)).starts_with("500 5.5.6 "));
    const auto initial = base::base64_encode(token + std::string(8192, 'a') + "\1\1");
    CHECK(d.say("AUTH XOAUTH2 " + initial + "\r\n").starts_with("334 "));  // looked up and refused
    CHECK(d.asked.back() == "ann:" + std::string(8192, 'a'));
    d.say("\r\n");
    CHECK(
        d.say("AUTH XOAUTH2 " + std::string(ServerSession::kMaxAuthLine, 'a') + "\r\n").starts_with("500 5.5.2 "));
    CHECK(d.say("NOOP " + std::string(5000, 'a') + "\r\n").starts_with("500 5.5.2 "));
    CHECK(d.say("NOOP\r\n").starts_with("250 "));
}

TEST_CASE("a long AUTH line in small pieces, and something behind it") {
    auto d = secure();
    const auto initial = base::base64_encode("user=ann\1auth=Bearer "s + std::string(8000, 'a') + "\1\1");
    const auto replies = d.say("AUTH XOAUTH2 " + initial + "\r\n\r\nNOOP\r\n", 700);
    CHECK(replies.starts_with("334 "));
    CHECK(replies.contains("\r\n535 5.7.8 Authentication credentials invalid\r\n250 2.0.0 Ok\r\n"));
}

TEST_CASE("secrets do not stay in the input") {
    auto d = secure();
    d.say("AUTH PLAIN " + plain("ann", "secret") + "\r\n");
    auto other = secure();
    other.say("AUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\n");
    for (auto* session : {&d.session, &other.session}) {
        const auto space = session->input_space();
        const std::string_view left(space.data(), 200);
        CHECK_FALSE(left.contains("c2VjcmV0"));
        CHECK_FALSE(left.contains(plain("ann", "secret").substr(4)));
    }
}

TEST_CASE("STARTTLS forgets who logged in") {
    auto options = with_auth();
    options.clear_auth = true;
    ServerDialogue d(options);
    d.say("EHLO c\r\n");
    CHECK(d.say("AUTH PLAIN " + plain("ann", "secret") + "\r\n").starts_with("235 "));
    d.say("STARTTLS\r\n");
    CHECK(d.session.peer().auth_user.empty());
}

TEST_CASE("a session that waits within AUTH can be ended at once") {
    auto d = secure();
    d.say("AUTH LOGIN\r\n");
    CHECK(d.session.idle());
    CHECK(d.session.interrupt(ServerSession::Interruption::shutdown).starts_with("421 4.3.2 "));
}

TEST_CASE("submission: no MAIL before AUTH") {
    ServerDialogue d(submission());
    d.say("EHLO c\r\n");
    CHECK(d.say("MAIL FROM:<a@b.c>\r\n") == "530 5.7.0 Say STARTTLS, then log in by AUTH\r\n");
    d.say("STARTTLS\r\n");
    d.say("EHLO c\r\n");
    CHECK(d.say("MAIL FROM:<a@b.c>\r\n") == "530 5.7.0 Log in by AUTH first\r\n");
    CHECK(d.say("NOOP\r\n").starts_with("250 "));
    d.say("AUTH PLAIN " + plain("ann", "secret") + "\r\n");
    CHECK(d.say("MAIL FROM:<a@b.c>\r\n").starts_with("250 "));
}

TEST_CASE("MAIL AUTH=: taken where AUTH is, and believed nowhere") {
    auto d = secure();
    for (const char* value : {"<>", "e+3Dmc2@example.com"}) {
        CHECK(d.say("MAIL FROM:<a@b.c> AUTH="s + value + "\r\n").starts_with("250 "));
        d.say("RSET\r\n");
    }
    CHECK(d.session.peer().auth_user.empty());
    CHECK(d.say("MAIL FROM:<a@b.c> AUTH=nobody\r\n").starts_with("501 5.5.4 "));
    CHECK(d.say("MAIL FROM:<a@b.c> AUTH=a+ZZb@c.d\r\n").starts_with("501 5.5.4 "));
    CHECK(d.say("MAIL FROM:<a@b.c> AUTH\r\n").starts_with("501 5.5.4 "));
    ServerDialogue none;
    none.say("EHLO c\r\n");
    CHECK(none.say("MAIL FROM:<a@b.c> AUTH=<>\r\n").starts_with("555 5.5.4 "));
}

TEST_CASE("FUTURERELEASE: offered with its limits, taken within them") {
    auto options = ServerDialogue::defaults();
    options.max_hold = 24h;
    ServerDialogue d(options);
    const auto now = base::WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)) + 10h + 5ms;
    d.session.set_time(now);
    CHECK(d.say("EHLO c\r\n").contains("\r\n250-FUTURERELEASE 86400 2026-11-22T10:00:00Z\r\n"));
    const auto hold = [&](const std::string& parameters) -> std::string {
        const auto reply = d.say("MAIL FROM:<a@b.c> " + parameters + "\r\n");
        if (!reply.starts_with("250 ")) return reply.substr(0, 9);
        const auto until = d.session.transaction().hold_until;
        d.say("RSET\r\n");
        return until == base::WallTime{} ? "at once" : std::to_string((until - now) / 1ms);
    };
    CHECK(hold("") == "at once");
    CHECK(hold("HOLDFOR=60") == "60000");
    CHECK(hold("HOLDFOR=86400") == "86400000");
    CHECK(hold("HOLDFOR=86401") == "501 5.5.4");
    CHECK(hold("HOLDUNTIL=2026-11-21T10:00:01Z") == "995");
    CHECK(hold("holduntil=2026-11-21T11:00:01+01:00") == "995");
    CHECK(hold("HOLDUNTIL=2026-11-22T10:00:00Z") == "86399995");
    CHECK(hold("HOLDUNTIL=2026-11-22T10:00:01Z") == "501 5.5.4");
    CHECK(hold("HOLDUNTIL=2400-01-01T00:00:00Z") == "501 5.5.4");
    CHECK(hold("HOLDUNTIL=2800-01-01T00:00:00Z") == "501 5.5.4");
    CHECK(hold("HOLDUNTIL=9999-12-31T23:59:59Z") == "501 5.5.4");
    CHECK(hold("HOLDUNTIL=2020-01-01T00:00:00Z") == "at once");
    for (const char* bad :
         {"HOLDFOR=0", "HOLDFOR=x", "HOLDFOR=-1", "HOLDFOR", "HOLDFOR=1234567890", "HOLDUNTIL=tomorrow",
          "HOLDUNTIL=2026-13-01T00:00:00Z", "HOLDFOR=1 HOLDUNTIL=2026-11-21T10:00:01Z", "HOLDFOR=1 HOLDFOR=1"}) {
        CAPTURE(bad);
        CHECK(hold(bad) == "501 5.5.4");
    }
    ServerDialogue none;
    none.say("EHLO c\r\n");
    CHECK(none.say("MAIL FROM:<a@b.c> HOLDFOR=1\r\n").starts_with("555 5.5.4 "));
}
