#include "control/imported.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using namespace posthorn::control;

namespace {

Imported read(std::string_view header, const WantedEnvelope& wanted = {}) {
    auto out = read_imported(header, wanted, "mail.test");
    REQUIRE_MESSAGE(out, out.error());
    return *std::move(out);
}

std::string error(std::string_view header, const WantedEnvelope& wanted = {}) {
    const auto out = read_imported(header, wanted, "mail.test");
    return out ? "" : out.error();
}

std::string recipients(const Imported& imported) {
    std::string out;
    for (const auto& address : imported.recipients) out += address.to_string() + " ";
    return out;
}

constexpr std::string_view kPlain =
    "From: Ann <ann@a.test>\r\nTo: bob@b.test,\r\n carl@c.test\r\nBcc: dora@d.test\r\nSubject: x\r\n";

}  // namespace

TEST_CASE("without an envelope it is the message itself that names sender and recipients") {
    const auto out = read(kPlain);
    CHECK(out.sender.to_string() == "ann@a.test");
    CHECK(recipients(out) == "bob@b.test carl@c.test dora@d.test ");
    CHECK(out.header == "From: Ann <ann@a.test>\r\nTo: bob@b.test,\r\n carl@c.test\r\nSubject: x\r\n");
    CHECK_FALSE(out.utf8);
    CHECK(read("From: a@a.test, b@b.test\r\nSender: s@s.test\r\nTo: root, root@mail.test\r\n").sender.to_string() ==
          "s@s.test");
    CHECK(recipients(read("From: a@a.test\r\nTo: root, root@mail.test\r\n")) == "root@mail.test ");
    CHECK(read("From: a@a.test\r\nTo: b@b.test\r\nMessage-ID:\r\n <1@x>\r\n").message_id == "<1@x>");
    CHECK(read("From: a@a.test\r\nTo: b@b.test\r\nSubject: \xC3\xA4\r\n").utf8);
}

TEST_CASE("an exported envelope stands before all else, holds, and does not go in") {
    mail::Envelope envelope;
    envelope.reverse_path = *mail::parse_address("s@s.test");
    for (const char* one : {"x@x.test", "y@y.test", "z@z.test"})
        envelope.recipients.push_back({.address = *mail::parse_address(one)});
    const auto fields = envelope_fields(envelope, {0, 2});
    CHECK(fields ==
          "Return-Path: <s@s.test>\r\nX-Posthorn-Recipient: <x@x.test>\r\nX-Posthorn-Recipient: "
          "<z@z.test>\r\n");
    const auto out = read(fields + std::string(kPlain));
    CHECK(out.sender.to_string() == "s@s.test");
    CHECK(recipients(out) == "x@x.test z@z.test ");
    CHECK(out.header == kPlain);

    envelope.reverse_path = {};
    CHECK(read(envelope_fields(envelope, {1}) + std::string(kPlain)).sender.empty());
    // Deeper down they are the message's own.
    const auto inside = "Subject: x\r\n" + fields + std::string(kPlain);
    CHECK(read(inside).sender.to_string() == "ann@a.test");
    CHECK(read(inside).header.find("X-Posthorn-Recipient") != std::string::npos);
}

TEST_CASE("what is asked for goes before what the file says") {
    const auto out = read("Return-Path: <s@s.test>\r\n" + std::string(kPlain),
                          {.sender = "<>", .recipients = {"New <n@n.test>", "n@n.test", "root"}});
    CHECK(out.sender.empty());
    CHECK(recipients(out) == "n@n.test root@mail.test ");
    CHECK(out.header == kPlain);  // whoever was in Bcc is not told by us: it stays
}

TEST_CASE("a file that is no message, or of which nobody knows whose, is refused with the reason") {
    CHECK(error("Dear Bob\r\n").find("not a message") != std::string::npos);
    CHECK(error("From: a@a.test\r\n").find("name a recipient") != std::string::npos);
    CHECK(error("To: a@a.test\r\n").find("name a sender") != std::string::npos);
    CHECK(error("From: a@a.test\r\nTo: what is this\r\n").find("To") != std::string::npos);
    CHECK(error(kPlain, {.sender = "no one", .recipients = {}}).find("sender") != std::string::npos);
    CHECK(error(kPlain, {.sender = {}, .recipients = {"<>"}}).find("recipient") != std::string::npos);
    CHECK(error("").find("name a sender") != std::string::npos);
    CHECK(error("From ann Sat Nov 21\r\n" + std::string(kPlain)).empty());  // an mbox's
}
