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
    event.trace = {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"};
    event.parent_span = "00f067aa0ba902b7";
    EventLog().record(event);
    CHECK(capture.contains(R"("message_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","sender":"","recipient":"b@example.net",)"
                           R"("smtp_code":250,"enhanced_code":"2.0.0","delivery_attempt":2,"elapsed_ms":1.5,)"
                           R"("delay_transmit_ms":7,"span":"deliver_message",)"
                           R"("trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331",)"
                           R"("listener":"smtp [::]:25"})"));
    CHECK(capture.contains(R"("level":"info","component":"message","event":"message.delivered")"));
    base::log::configure({});
}

TEST_CASE("a step of a developer's interest is not written at level info") {
    base::log::configure({base::log::Level::info, base::log::Format::json});
    base::log::Capture capture;
    EventLog().record({.kind = EventKind::attempt});
    EventLog().record({.kind = EventKind::security, .text = "bytes before TLS"});
    CHECK_FALSE(capture.contains("message.attempt"));
    CHECK(capture.contains(R"("level":"warning","component":"security","event":"security.warning")"));
    CHECK(capture.contains(R"("text":"bytes before TLS")"));
}

TEST_CASE("a deferred recipient's line says why and for how long") {
    base::log::configure({base::log::Level::info, base::log::Format::json});
    base::log::Capture capture;
    Event event{.kind = EventKind::deferred, .at = base::from_ms(1'700'000'000'000)};
    event.text = "come back later";
    event.detail = "1700000090500";
    EventLog().record(event);
    CHECK(capture.contains(
        R"("error":"come back later","next_try":"2023-11-14T22:14:50.500Z","retry_delay_secs":90.5)"));
    base::log::configure({});
}

TEST_CASE("events are counted") {
    base::Metrics metrics;
    EventMetrics sink(metrics);
    EventFan fan({&sink});
    fan.record({.kind = EventKind::connected});
    fan.record({.kind = EventKind::accepted, .session = "0123456789", .size = 100});
    fan.record({.kind = EventKind::accepted, .size = 7});  // by the drop folder
    fan.record({.kind = EventKind::rejected, .code = 550});
    const auto text = metrics.prometheus_text();
    CHECK(text.find("posthorn_smtp_sessions_open 1\n") != std::string::npos);
    CHECK(text.find("posthorn_smtp_messages_accepted_bytes_total 100\n") != std::string::npos);
    CHECK(text.find("posthorn_smtp_rejected_total{class=\"5xx\"} 1\n") != std::string::npos);
}

TEST_CASE("refusals are counted by command and reply, deliveries by domain and what became of them") {
    base::Metrics metrics;
    EventMetrics sink(metrics);
    sink.record({.kind = EventKind::rejected, .code = 550, .status = "5.7.1", .detail = "RCPT"});
    sink.record({.kind = EventKind::tls_started, .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384"});
    sink.record({.kind = EventKind::attempt});
    sink.record({.kind = EventKind::deferred, .domain = "example.net"});
    sink.record({.kind = EventKind::delivered, .domain = "example.net"});
    const auto text = metrics.prometheus_text();
    for (const auto* line : {"posthorn_smtp_commands_rejected_total{command=\"RCPT\",status=\"5.7.1\"} 1\n",
                             "posthorn_smtp_tls_sessions_total{version=\"TLSv1.3\"} 1\n",
                             "posthorn_delivery_attempts_total{tls=\"none\"} 1\n",
                             "posthorn_delivery_deliveries_total{domain=\"example.net\",status=\"deferred\"} 1\n",
                             "posthorn_delivery_deliveries_total{domain=\"example.net\",status=\"delivered\"} 1\n"})
        CHECK(text.find(line) != std::string::npos);
}
