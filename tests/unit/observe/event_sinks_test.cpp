#include <doctest/doctest.h>

#include "base/log.hpp"
#include "observe/event_log.hpp"
#include "observe/event_metrics.hpp"

using namespace posthorn;
using namespace posthorn::observe;
using namespace std::chrono_literals;
using mail::Event;
using mail::EventKind;

TEST_CASE("an event becomes one log line with fixed keys") {
    base::log::configure({base::log::Level::info, base::log::Format::json});
    base::log::Capture capture;
    Event event{.kind = EventKind::delivered};
    event.message_id = base::Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    event.recipient = "b@example.net";
    event.code = 250;
    event.status = "2.0.0";
    event.attempt = 2;
    event.elapsed = 1500us;
    event.delays[3] = 7ms;
    event.extra = {{"listener", "smtp [::]:25"}};
    EventLog().record(event);
    CHECK(
        capture.contains(R"("event":"message.delivered","message_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","sender":"",)"
                         R"("recipient":"b@example.net","code":250,"status":"2.0.0","attempt":2,"elapsed_ms":1.5,)"
                         R"("delay_transmit_ms":7,"listener":"smtp [::]:25"})"));
    base::log::configure({});
}

TEST_CASE("a step of a developer's interest is not written at level info") {
    base::log::configure({base::log::Level::info, base::log::Format::json});
    base::log::Capture capture;
    EventLog().record({.kind = EventKind::attempt});
    EventLog().record({.kind = EventKind::security, .text = "bytes before TLS"});
    CHECK_FALSE(capture.contains("message.attempt"));
    CHECK(capture.contains(R"("level":"warning","event":"security.warning","text":"bytes before TLS")"));
    base::log::configure({});
}

TEST_CASE("events are counted") {
    base::Metrics metrics;
    EventMetrics sink(metrics);
    EventFan fan({&sink});
    fan.record({.kind = EventKind::connected});
    fan.record({.kind = EventKind::accepted, .size = 100});
    fan.record({.kind = EventKind::rejected, .code = 550});
    const auto text = metrics.prometheus_text();
    CHECK(text.find("posthorn_smtp_sessions_open 1\n") != std::string::npos);
    CHECK(text.find("posthorn_smtp_messages_accepted_bytes_total 100\n") != std::string::npos);
    CHECK(text.find("posthorn_smtp_rejected_total{class=\"5xx\"} 1\n") != std::string::npos);
}
