#include "proto/smtp/command.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace posthorn;
using namespace posthorn::smtp;

TEST_CASE("verbs are known in any case, with blanks around") {
    CHECK(parse_command("mail FROM:<>").verb == Verb::mail);
    CHECK(parse_command("  QuIt  ").verb == Verb::quit);
    CHECK(parse_command("NOOP \t x y ").argument == "x y");
    CHECK(parse_command("MAILX").verb == Verb::unknown);
    CHECK(parse_command("").verb == Verb::unknown);
    CHECK(name(Verb::starttls) == "STARTTLS");
}

TEST_CASE("HELO takes a name or a literal") {
    for (const char* good :
         {"a", "mail.example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]", "under_score", "m\xc3\xbcll.example"}) {
        CAPTURE(good);
        CHECK(parse_helo(good));
    }
    for (const char* bad : {"", "a b", "<a>", "a\"b", "a\x01", "\xff", "a;b", "a\xc2\x9b"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_helo(bad));
    }
    CHECK_FALSE(parse_helo(std::string(256, 'a')));
}

TEST_CASE("BDAT") {
    CHECK(parse_bdat("0")->size == 0);
    CHECK(parse_bdat("86 LAST")->last);
    CHECK(parse_bdat("86  last")->size == 86);
    CHECK(parse_bdat("18446744073709551615")->size == UINT64_MAX);
    for (const char* bad :
         {"", "x", "-1", "+1", "1x", "1LAST", "1 LAS", "18446744073709551616", "1 LAST x", "LAST"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_bdat(bad));
    }
}

TEST_CASE("MAIL: path") {
    CHECK(parse_mail("FROM:<>")->from.empty());
    CHECK(parse_mail("from:<a@example.org>")->from.to_string() == "a@example.org");
    CHECK(parse_mail("FROM: <a@example.org>")->from.local == "a");
    CHECK(parse_mail("FROM:<\"a>b\\\" c\"@example.org> SIZE=5")->from.local == "a>b\" c");
    CHECK(parse_mail("FROM:<@a.example,@b.example:u@example.org>")->from.to_string() == "u@example.org");
    CHECK(parse_mail("FROM:<u@[IPv6:2001:db8::1]>")->from.literal());
    for (const char* bad : {"", "FROM", "FROM:", "FROM:a@b", "FROM:<a@b", "FROM:<a>", "FROM:<a@b>x", "FROM:<a@b>>",
                            "TO:<a@b>", "FROM:<@a:>", "FROM:<@:u@b>", "FROM:<a b@c>", "FROM:<a@b> <"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_mail(bad));
    }
    CHECK(parse_mail("FROM:<a@b> x").error().code == 555);
    CHECK(parse_mail("FROM:<a").error().status == "5.1.7");
}

TEST_CASE("MAIL: parameters") {
    const auto mail = parse_mail("FROM:<a@b.example> SIZE=1000 BODY=8BITMIME ret=hdrs ENVID=QQ+2B314 SMTPUTF8");
    REQUIRE(mail);
    CHECK(mail->size == 1000);
    CHECK(mail->body == mail::BodyType::eight_bit_mime);
    CHECK(mail->ret == mail::DsnReturn::headers);
    CHECK(mail->envid == "QQ+2B314");
    CHECK(mail->smtputf8);
    CHECK(parse_mail("FROM:<> BODY=BINARYMIME")->body == mail::BodyType::binary_mime);
    CHECK(parse_mail("FROM:<> SIZE=99999999999999999999")->size == UINT64_MAX);

    struct Case {
        const char* parameters;
        int code;
    };
    for (const auto& [parameters, code] : std::array<Case, 18>{{
             {"SIZE=x", 501},
             {"SIZE=", 501},
             {"SIZE", 501},
             {"SIZE=1 SIZE=2", 501},
             {"SIZE=999999999999999999999", 501},
             {"BODY=9BIT", 501},
             {"BODY", 501},
             {"RET=SOME", 501},
             {"ENVID=a=b", 501},
             {"ENVID=a+zz", 501},
             {"SMTPUTF8=1", 501},
             {"SMTPUTF8 SMTPUTF8", 501},
             {"AUTH=<> AUTH=<>", 501},
             {"HOLDFOR=1 HOLDUNTIL=2026-11-21T10:00:00Z", 501},
             {"BY=1;R", 555},
             {"FOO", 555},
             {"FOO=\x01", 501},
             {"=x", 501},
         }}) {
        CAPTURE(parameters);
        const auto parsed = parse_mail(std::string("FROM:<a@b.example> ") + parameters);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().code == code);
    }
    CHECK_FALSE(parse_mail("FROM:<> ENVID=" + std::string(101, 'a')));
}

TEST_CASE("UTF-8 addresses need SMTPUTF8") {
    CHECK(parse_mail("FROM:<m\xc3\xbcller@example.org> SMTPUTF8"));
    CHECK(parse_mail("FROM:<m\xc3\xbcller@example.org>").error().status == "5.6.7");
    CHECK(parse_rcpt("TO:<m\xc3\xbcller@example.org>", true));
    CHECK(parse_rcpt("TO:<m\xc3\xbcller@example.org>", false).error().code == 553);
    CHECK_FALSE(parse_rcpt("TO:<m\xc3ller@example.org>", true));
}

TEST_CASE("RCPT") {
    CHECK(parse_rcpt("TO:<Postmaster>", false)->address.domain.empty());
    const auto rcpt = parse_rcpt("TO:<u@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;u+2Bx@example.org", false);
    REQUIRE(rcpt);
    CHECK(rcpt->notify == (mail::notify::success | mail::notify::delay));
    CHECK(rcpt->orcpt == "rfc822;u+2Bx@example.org");
    CHECK(parse_rcpt("TO:<u@example.org> NOTIFY=never", false)->notify == mail::notify::never);
    CHECK(parse_rcpt("TO:<u@example.org> ORCPT=utf-8;\xc3\xbc@example.org", true));
    for (const char* bad :
         {"TO:<>", "TO:<root>", "TO:<u@example.org", "FROM:<u@example.org>",
          "TO:<u@example.org> NOTIFY=", "TO:<u@example.org> NOTIFY=NEVER,DELAY", "TO:<u@example.org> NOTIFY=x",
          "TO:<u@example.org> NOTIFY=DELAY NOTIFY=DELAY", "TO:<u@example.org> ORCPT=x",
          "TO:<u@example.org> ORCPT=;x", "TO:<u@example.org> ORCPT=rfc822;", "TO:<u@example.org> SIZE=1",
          "TO:<u@example.org> ORCPT=utf-8;\xc3\xbc@example.org"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_rcpt(bad, false));
    }
}
