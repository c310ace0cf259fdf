#include "mail/dsn.hpp"

#include <doctest/doctest.h>

#include "base/ascii.hpp"
#include "mail/dsn_fields.hpp"
#include "mail/dsn_text.hpp"

using namespace posthorn;
using namespace posthorn::mail;

namespace {

Envelope parent() {
    Envelope e;
    e.id = *base::Ulid::parse("01KAJ000000000000000000000");
    e.reverse_path = {"sender", "us.example"};
    e.recipients = {{{"a", "them.example"}, 0, "rfc822;list+2Ba@us.example"}, {{"b", "them.example"}, 0, ""}};
    e.arrival = base::from_ms(1'795'250'000'000);
    e.body_size = 500;
    e.envid = "id+2042";
    e.trace_headers = "Received: from x by y; z\r\n";
    e.header_message_id = "<orig@us.example>";
    return e;
}

DsnRecipient failed(const Recipient& recipient) {
    Outcome outcome{Outcome::Kind::permanent, 550,         "5.1.1", "no such user here",
                    "mx.them.example",        "192.0.2.1", "",      base::from_ms(1'795'250'060'000)};
    return {recipient, DsnAction::failed, outcome, false};
}

DsnRequest request(const Envelope& of, std::vector<DsnRecipient> recipients) {
    DsnRequest r;
    r.parent = &of;
    r.recipients = std::move(recipients);
    r.id = of.id.child(1);
    r.now = base::from_ms(1'795'250'061'000);
    r.reporting_mta = "mail.us.example";
    r.postmaster = "postmaster@us.example";
    r.header_size = 120;
    return r;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

void check_lines(std::string_view text) {
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        const auto line = text.substr(0, end);
        CHECK(line.size() <= 998);
        CHECK(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 2);
    }
}

}  // namespace

TEST_CASE("DSN: which are owed") {
    const Address sender{"s", "x"};
    const auto with = [](std::uint8_t bits) { return Recipient{{"a", "b"}, bits, ""}; };
    struct Case {
        std::uint8_t bits;
        bool failed;
        bool delayed;
        bool success;
    };
    using namespace notify;
    for (const auto& c : {Case{0, true, true, false}, Case{never, false, false, false},
                          Case{success, false, false, true}, Case{failure, true, false, false},
                          Case{delay, false, true, false}, Case{success | failure | delay, true, true, true}}) {
        CAPTURE(c.bits);
        CHECK(dsn_owed(sender, with(c.bits), DsnAction::failed) == c.failed);
        CHECK(dsn_owed(sender, with(c.bits), DsnAction::delayed) == c.delayed);
        for (const auto action : {DsnAction::delivered, DsnAction::relayed, DsnAction::expanded}) {
            CHECK(dsn_owed(sender, with(c.bits), action) == c.success);
        }
        for (const auto action : {DsnAction::failed, DsnAction::delayed, DsnAction::delivered}) {
            CHECK_FALSE(dsn_owed({}, with(c.bits), action));
        }
    }
}

TEST_CASE("DSN: a failure, whole") {
    const auto e = parent();
    const auto dsn = make_dsn(request(e, {failed(e.recipients[0]), failed(e.recipients[1])}));
    CHECK(dsn.envelope.reverse_path.empty());
    REQUIRE(dsn.envelope.recipients.size() == 1);
    CHECK(dsn.envelope.recipients[0].address == e.reverse_path);
    CHECK(dsn.envelope.id == e.id.child(1));
    CHECK(dsn.envelope.body == BodyType::seven_bit);
    CHECK_FALSE(dsn.envelope.smtputf8);
    CHECK(dsn.envelope.body_size == dsn.prefix.size() + dsn.middle_size + dsn.suffix.size());

    const auto boundary = "=_" + e.id.child(1).to_string();
    for (const auto& part :
         {std::string("From: Mail Delivery System <postmaster@us.example>\r\n"),
          std::string("To: <sender@us.example>\r\n"), std::string("In-Reply-To: <orig@us.example>\r\n"),
          std::string("Auto-Submitted: auto-replied\r\n"), "boundary=\"" + boundary + "\"\r\n",
          "\r\n\r\n--" + boundary + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
          "\r\n--" + boundary +
              "\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.us.example\r\n"
              "Original-Envelope-Id: id 42\r\n",
          std::string(
              "\r\n\r\nOriginal-Recipient: rfc822; list+a@us.example\r\nFinal-Recipient: rfc822; a@them.example\r\n"
              "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.them.example\r\n"
              "Diagnostic-Code: smtp; 550 5.1.1 no such user here\r\n"),
          std::string("\r\n\r\nFinal-Recipient: rfc822; b@them.example\r\n"),
          "\r\n--" + boundary + "\r\nContent-Type: message/rfc822\r\n\r\nReceived: from x by y; z\r\n"}) {
        CAPTURE(part);
        CHECK(has(dsn.prefix, part));
    }
    CHECK(dsn.middle_size == 500);
    CHECK(dsn.suffix == "\r\n--" + boundary + "--\r\n");
    CHECK_FALSE(has(dsn.prefix, "Will-Retry-Until"));
    CHECK(base::is_ascii(dsn.prefix));
    check_lines(dsn.prefix);
}

TEST_CASE("DSN: what a human reads") {
    const auto e = parent();
    const auto text = dsn_text(request(e, {failed(e.recipients[0])}), true);
    CHECK(has(text, "could not be delivered"));
    CHECK(has(text, "\r\n  a@them.example\r\n"));
    CHECK(has(text, "no such address"));
    CHECK(has(text, "The server mx.them.example [192.0.2.1] said:\r\n        550 5.1.1 no such user here\r\n"));
    CHECK(has(text, e.id.to_string()));
    for (const auto* status : {"5.1.1", "5.1.10", "5.2.2", "4.4.1", "5.7.509", "5.99.99", "", "5"}) {
        CHECK_FALSE(explain(status).why.empty());
    }
    CHECK(explain("5.1.10").why != explain("5.1.1").why);
    CHECK(explain("4.2.2").why == explain("5.2.2").why);
}

TEST_CASE("DSN: RET says what goes back, of failures alone") {
    auto e = parent();
    const auto middle = [&](DsnAction action) {
        auto about = failed(e.recipients[0]);
        about.action = action;
        const auto dsn = make_dsn(request(e, {about}));
        CHECK(has(dsn.prefix, "Content-Type: message/rfc822\r\n") == (dsn.middle_size == e.body_size));
        CHECK(has(dsn.prefix, "Content-Type: text/rfc822-headers\r\n") == (dsn.middle_size == 120));
        return dsn.middle_size;
    };
    e.ret = DsnReturn::headers;
    CHECK(middle(DsnAction::failed) == 120);
    e.ret = DsnReturn::full;
    e.body_size = 100 << 20;
    CHECK(middle(DsnAction::failed) == 100 << 20);
    CHECK(middle(DsnAction::delayed) == 120);
    CHECK(middle(DsnAction::relayed) == 120);
    e.ret = DsnReturn::unspecified;
    CHECK(middle(DsnAction::failed) == 120);
    e.ret = DsnReturn::full;
    e.body = BodyType::binary_mime;
    CHECK(middle(DsnAction::failed) == 120);
}

TEST_CASE("DSN: delays and success") {
    const auto e = parent();
    auto late = failed(e.recipients[1]);
    late.action = DsnAction::delayed;
    late.outcome = {Outcome::Kind::temporary, 0, "4.4.1", "Connection refused", "mx.them.example", "", "", {}};
    auto r = request(e, {late});
    r.retry_until = base::from_ms(1'795'690'000'000);
    const auto delayed = make_dsn(r).prefix;
    CHECK(has(delayed, "Subject: Delayed"));
    CHECK(has(delayed, "Action: delayed\r\nStatus: 4.4.1\r\n"));
    CHECK(has(delayed, "Diagnostic-Code: x-posthorn; Connection refused\r\n"));
    CHECK(has(delayed, "Will-Retry-Until: "));
    CHECK(has(delayed, "need not send it again"));

    auto relayed = failed(e.recipients[1]);
    relayed.action = DsnAction::relayed;
    relayed.outcome = {Outcome::Kind::delivered, 250, "2.1.5", "ok", "mx.them.example", "", "", {}};
    const auto success = make_dsn(request(e, {relayed})).prefix;
    CHECK(has(success, "Action: relayed\r\nStatus: 2.1.5\r\n"));
    CHECK(has(success, "Subject: Passed on"));
}

TEST_CASE("DSN: UTF-8 (RFC 6533)") {
    auto e = parent();
    e.smtputf8 = true;
    e.reverse_path.local = "\xc3\xa9";
    e.recipients[0] = {{"\xe7\x94\xb2", "them.example"}, 0, "utf-8;\\x{7532}@them.example"};
    const auto dsn = make_dsn(request(e, {failed(e.recipients[0])}));
    CHECK(dsn.envelope.smtputf8);
    CHECK(dsn.envelope.body == BodyType::eight_bit_mime);
    CHECK(has(dsn.prefix, "To: <\xc3\xa9@us.example>\r\n"));
    CHECK(has(dsn.prefix, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n"));
    CHECK(has(dsn.prefix, "Original-Recipient: utf-8; \xe7\x94\xb2@them.example\r\n"));
    CHECK(has(dsn.prefix, "Final-Recipient: utf-8; \xe7\x94\xb2@them.example\r\n"));
    CHECK(has(dsn.prefix, "Content-Type: message/global\r\n"));
    e.ret = DsnReturn::headers;
    CHECK(has(make_dsn(request(e, {failed(e.recipients[0])})).prefix, "Content-Type: message/global-headers\r\n"));
}

TEST_CASE("DSN: what servers and senders say cannot add lines") {
    auto e = parent();
    e.envid = "x+0D+0AEvil:+20y";
    e.header_message_id = "<a\r\nEvil: y>";
    e.recipients[0].orcpt = "rfc822;a+0D+0AEvil:+20y";
    auto about = failed(e.recipients[0]);
    about.outcome.text = "no\r\nEvil: y\r\n.\r\n \x80\xff";
    about.outcome.remote_host = "mx\r\nEvil: y";
    const auto dsn = make_dsn(request(e, {about}));
    CHECK_FALSE(has(dsn.prefix, "\nEvil"));
    CHECK_FALSE(has(dsn.prefix, "In-Reply-To"));
    about.outcome.text = std::string(1000, 'x') + "\xc3\xa9";
    check_lines(make_dsn(request(e, {about})).prefix);
}

TEST_CASE("DSN: the status is one, and of the action's class") {
    const auto status = [](DsnAction action, std::string_view code, bool expired = false) {
        DsnRecipient about;
        about.action = action;
        about.outcome.status = code;
        about.expired = expired;
        return sound_status(about);
    };
    CHECK(status(DsnAction::failed, "5.7.26") == "5.7.26");
    CHECK(status(DsnAction::failed, "4.7.1", true) == "4.7.1");
    CHECK(status(DsnAction::failed, "") == "5.0.0");
    CHECK(status(DsnAction::failed, "", true) == "4.4.7");
    CHECK(status(DsnAction::failed, "2.0.0") == "5.0.0");
    CHECK(status(DsnAction::delayed, "55") == "4.0.0");
    CHECK(status(DsnAction::relayed, "5.1.1") == "2.0.0");
    CHECK(status(DsnAction::failed, "5.1.1 x") == "5.0.0");
}

TEST_CASE("header fields are folded and unfold to what they were") {
    const std::string value = "dns; " + std::string(64, 'a') + " " + std::string(60, 'b') + " c";
    const auto field = header_field("Remote-MTA", value, false);
    CHECK(field == "Remote-MTA: dns;\r\n " + std::string(64, 'a') + "\r\n " + std::string(60, 'b') + " c\r\n");
    CHECK(header_field("A", "", false) == "A:\r\n");
    CHECK(header_field("A", "\xc3\xa9", true) == "A: \xc3\xa9\r\n");
    CHECK(header_field("A", "\xc3\xa9", false) == "A: ??\r\n");
    check_lines(header_field("A", std::string(5000, 'x'), false));
}

TEST_CASE("returned_header_size") {
    CHECK(returned_header_size("A: b\r\nC: d\r\n\r\nbody\r\n\r\n") == 12);
    CHECK(returned_header_size("A: b\r\n") == 6);
    CHECK(returned_header_size("\r\nbody\r\n") == 0);
    CHECK(returned_header_size("") == 0);
    CHECK(returned_header_size("no line end") == 0);
    CHECK(returned_header_size("A: " + std::string(kMaxReturnedHeader, 'x') + "\r\n\r\n") == 0);
    const std::string large = "A: b\r\n" + std::string(kMaxReturnedHeader, 'x');
    CHECK(returned_header_size(large) == 6);
    // BINARYMIME lets through what no line of a report may hold.
    CHECK(returned_header_size("A: b\r\nC: d\n.\nMAIL FROM:<>\r\n\r\n") == 6);
    CHECK(returned_header_size("A: b\r\nC: d\re\r\n\r\n") == 6);
    CHECK(returned_header_size(std::string_view("A: b\r\nC: \0\r\n\r\n", 15)) == 6);
    CHECK(returned_header_size("A: b\r\nC: " + std::string(1000, 'x') + "\r\nD: e\r\n\r\n") == 6);
    CHECK(returned_header_size("A: b\r\nC: " + std::string(995, 'x') + "\r\n\r\n") == 6 + 1000);
}
