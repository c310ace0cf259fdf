#include "ctl/timeline.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using control::Value;

namespace {

Value event(const char* time, const char* kind, const char* session = "", const char* message = "") {
    auto out = Value::map();
    out.set("time", time).set("event", kind);
    if (*session != '\0') out.set("session_id", session);
    if (*message != '\0') out.set("message_id", message);
    return out;
}

}  // namespace

TEST_CASE("a session's events are told with each message that came by it, in the order of time") {
    auto events = Value::list();
    events.add(event("2026-11-21T10:00:00.001Z", "connected", "s1").set("client_ip", "192.0.2.1"));
    events.add(event("2026-11-21T10:00:00.003Z", "accepted", "s1", "M1")
                   .set("sender", "a@x")
                   .set("recipient", "b@y")
                   .set("size", 7)
                   .set("smtp_code", 250)
                   .set("header_message_id", "<id@x>"));
    events.add(event("2026-11-21T10:00:00.004Z", "accepted", "s1", "M2")
                   .set("sender", "<>")
                   .set("recipient", "c@y")
                   .set("size", 1));
    events.add(event("2026-11-21T10:00:00.002Z", "tls_started", "s1").set("tls", "TLSv1.3 X"));
    auto attempt = event("2026-11-21T10:00:00.009Z", "attempt", "", "M1");
    attempt.set("recipient", "b@y").set("server", "mx.y").set("server_ip", "192.0.2.7").set("smtp_code", 451);
    attempt.set("text", "later").set("attempt", 1).set("elapsed_ms", 5);
    attempt.set("dialogue", Value::list().add("C: MAIL").add("S: 451\x1b[31m later"));
    events.add(std::move(attempt));
    const auto text = ctl::timeline(events, Value::map().set("left_out", 3));
    CHECK(text ==
          "message M1, Message-ID <id@x>\n"
          "  2026-11-21 10:00:00.001  connected     192.0.2.1\n"
          "  2026-11-21 10:00:00.002  TLS           TLSv1.3 X\n"
          "  2026-11-21 10:00:00.003  accepted      from a@x to b@y, 7 octets, 250\n"
          "  2026-11-21 10:00:00.009  attempt 1     b@y at mx.y [192.0.2.7]: 451 later (5 ms)\n"
          "                                         C: MAIL\n"
          "                                         S: 451 [31m later\n"
          "\n"
          "message M2\n"
          "  2026-11-21 10:00:00.001  connected     192.0.2.1\n"
          "  2026-11-21 10:00:00.002  TLS           TLSv1.3 X\n"
          "  2026-11-21 10:00:00.004  accepted      from <> to c@y, 1 octets\n"
          "\n"
          "(3 older ones are left out: --limit, --since)\n");
}

TEST_CASE("a session that brought nothing is a story of its own") {
    auto events = Value::list();
    events.add(event("2026-11-21T10:00:00.001Z", "connected", "s1"));
    events.add(event("2026-11-21T10:00:00.002Z", "rejected", "s1")
                   .set("detail", "RCPT")
                   .set("recipient", "b@y")
                   .set("smtp_code", 550)
                   .set("enhanced_code", "5.7.1")
                   .set("text", "no"));
    CHECK(ctl::timeline(events, {}) ==
          "session s1\n"
          "  2026-11-21 10:00:00.001  connected     a local client\n"
          "  2026-11-21 10:00:00.002  rejected      RCPT b@y: 550 5.7.1 no\n");
    CHECK(ctl::timeline(Value::list(), {}) == "nothing is known of it\n");
}

TEST_CASE("what came to rest here says where") {
    auto events = Value::list();
    events.add(event("2026-11-21T10:00:00.001Z", "delivered", "", "M1")
                   .set("recipient", "info@us")
                   .set("account", "ann@us")
                   .set("mailbox", "INBOX")
                   .set("goes_on_as", "M2"));
    events.add(
        event("2026-11-21T10:00:00.002Z", "delivered", "", "M1").set("recipient", "b@y").set("server", "mx.y"));
    CHECK(ctl::timeline(events, Value::map()) ==
          "message M1\n"
          "  2026-11-21 10:00:00.001  delivered     info@us in INBOX of ann@us, goes on as M2\n"
          "  2026-11-21 10:00:00.002  delivered     b@y at mx.y\n");
}
