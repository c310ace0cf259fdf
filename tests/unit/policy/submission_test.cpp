#include "policy/submission.hpp"

#include <doctest/doctest.h>

using namespace posthorn;

namespace {

mail::Envelope envelope() {
    mail::Envelope out;
    out.id = *base::Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    out.arrival = base::from_ms(1'795'250'000'000);
    return out;
}

constexpr auto kReceived =
    "Received: by mx.example (Posthorn, from userid 1000)\r\n\tid 01ARZ3NDEKTSV4RRFFQ69G5FAV;\r\n"
    "\tSat, 21 Nov 2026 08:33:20 +0000\r\n";

}  // namespace

TEST_CASE("a dropped message is marked by who dropped it") {
    auto e = envelope();
    policy::complete_dropped(e, 1000, "date: then\r\nMessage-Id : <x@y>\r\n", "mx.example");
    CHECK(e.trace_headers == kReceived);
    CHECK(e.header_message_id.empty());
}

TEST_CASE("a dropped message gets the fields it lacks") {
    auto e = envelope();
    policy::complete_dropped(e, 1000, "Subject: message-id: no\r\nDated: no\r\n date: no\r\n", "mx.example");
    CHECK(e.trace_headers == std::string(kReceived) + "Date: Sat, 21 Nov 2026 08:33:20 +0000\r\n" +
                                 "Message-ID: <01ARZ3NDEKTSV4RRFFQ69G5FAV@mx.example>\r\n");
    CHECK(e.header_message_id == "<01ARZ3NDEKTSV4RRFFQ69G5FAV@mx.example>");
}

TEST_CASE("a submitted message gets the fields it lacks, and no other") {
    auto e = envelope();
    e.trace_headers = "Received: x\r\n";
    e.header_message_id = "<x@y>";
    policy::complete_submitted(e, true, true, "mx.example");
    CHECK(e.trace_headers == "Received: x\r\n");
    CHECK(e.header_message_id == "<x@y>");
    policy::complete_submitted(e, false, true, "mx.example");
    CHECK(e.trace_headers == "Received: x\r\nDate: Sat, 21 Nov 2026 08:33:20 +0000\r\n");
    policy::complete_submitted(e, true, false, "mx.example");
    CHECK(e.trace_headers.ends_with("\r\nMessage-ID: <01ARZ3NDEKTSV4RRFFQ69G5FAV@mx.example>\r\n"));
    CHECK(e.header_message_id == "<01ARZ3NDEKTSV4RRFFQ69G5FAV@mx.example>");
}
