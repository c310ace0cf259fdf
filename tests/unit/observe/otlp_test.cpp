#include <doctest/doctest.h>

#include "base/json_value.hpp"
#include "base/random.hpp"
#include "observe/otlp_json.hpp"
#include "observe/sampler.hpp"
#include "observe/spans.hpp"

using namespace posthorn;
using namespace posthorn::observe;
using namespace std::chrono_literals;

namespace {

const mail::TraceContext kContext{"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"};

mail::Event attempt() {
    const mail::StepClock clock{base::from_ms(1'000), base::SteadyTime(50ms)};
    mail::Event event{.kind = mail::EventKind::attempt};
    event.message_id = base::Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    event.trace = kContext;
    event.parent_span = "00f067aa0ba902b7";
    event.code = 451;
    event.steps.push_back(
        clock.step("deliver_message", base::SteadyTime(50ms), base::SteadyTime(60ms), "451 \"no\"\n\xFF"));
    event.steps.push_back(clock.step("dns_lookup", base::SteadyTime(51ms), base::SteadyTime(52ms)));
    return event;
}

std::string flags(const char* text) {
    const auto parsed = mail::parse_traceparent(text);
    return !parsed ? "none" : parsed->sampled ? "sampled" : "not sampled";
}

}  // namespace

TEST_CASE("a traceparent is understood as W3C has it") {
    CHECK(flags("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") == "sampled");
    CHECK(flags("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00") == "not sampled");
    CHECK(flags("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-what-comes") == "sampled");
    for (const auto* bad : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x"})
        CHECK(flags(bad) == "none");
    CHECK(mail::traceparent(kContext) == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

TEST_CASE("samplers decide as their names say") {
    base::SeededRandom random(1);
    const auto begun = [&](const char* name, const char* argument, std::optional<mail::TraceParent> parent = {}) {
        const auto sampler = Sampler::make(name, argument);
        REQUIRE(sampler);
        return sampler->begin(random, parent);
    };
    const mail::TraceParent yes{kContext, true};
    const mail::TraceParent no{kContext, false};
    CHECK(begun("", ""));
    CHECK(begun("always_on", "", no));
    CHECK_FALSE(begun("always_off", "", yes));
    CHECK_FALSE(begun("parentbased_always_on", "", no));
    CHECK(begun("parentbased_always_off", "", yes)->trace_id == kContext.trace_id);
    CHECK_FALSE(begun("parentbased_always_off", ""));
    CHECK_FALSE(begun("traceidratio", "0"));
    CHECK(begun("traceidratio", "1"));
    int sampled = 0;
    for (int i = 0; i < 1000; ++i) sampled += begun("parentbased_traceidratio", "0.25") ? 1 : 0;
    CHECK(sampled > 150);
    CHECK(sampled < 350);
    CHECK_FALSE(Sampler::make("sometimes", ""));
    CHECK_FALSE(Sampler::make("traceidratio", "2"));
    CHECK_FALSE(Sampler::make("traceidratio", "x"));
}

TEST_CASE("an event's steps become a span and its children") {
    base::Metrics metrics;
    SpanQueue queue(metrics);
    SpanMaker(queue).record(attempt());
    const auto spans = queue.take(10);
    REQUIRE(spans.size() == 2);
    CHECK(spans[0].span_id == kContext.span_id);
    CHECK(spans[0].parent_id == "00f067aa0ba902b7");
    CHECK(spans[0].began_ns == 1'000'000'000);
    CHECK(spans[0].ended_ns == 1'010'000'000);
    CHECK(spans[1].parent_id == kContext.span_id);
    CHECK(spans[1].span_id.size() == 16);
    CHECK(spans[1].span_id != spans[0].span_id);
    CHECK(spans[1].began_ns == 1'001'000'000);
    auto untraced = attempt();
    untraced.trace = {};
    SpanMaker(queue).record(untraced);
    CHECK(queue.size() == 0);
}

TEST_CASE("the queue of spans is bounded: what comes beyond is dropped and counted") {
    base::Metrics metrics;
    SpanQueue queue(metrics);
    int batches = 0;
    queue.on_batch([&] { ++batches; });
    for (std::size_t i = 0; i < kSpanQueue; ++i) SpanMaker(queue).record(attempt());
    CHECK(queue.size() == kSpanQueue);
    CHECK(batches == 1);
    CHECK(metrics.prometheus_text().find("posthorn_traces_dropped_total " + std::to_string(kSpanQueue)) !=
          std::string::npos);
    CHECK(queue.take(kSpanBatch).size() == kSpanBatch);
}

TEST_CASE("spans are JSON that any text survives") {
    base::Metrics metrics;
    SpanQueue queue(metrics);
    SpanMaker(queue).record(attempt());
    const auto read = base::read_json(spans_json({"posthorn", "1", "mx", "run"}, queue.take(2)));
    REQUIRE(read);
    const base::JsonValue& json = *read;
    const auto& spans = json["resourceSpans"][0]["scopeSpans"][0]["spans"];
    CHECK(*spans[0]["status"]["message"].string() == "451 \"no\"\n\xEF\xBF\xBD");
    CHECK(spans[0]["status"]["code"].integer() == 2);
    CHECK(spans[1]["status"].object()->empty());
    CHECK(*spans[0]["startTimeUnixNano"].string() == "1000000000");
}

TEST_CASE("metrics are JSON with the sums, gauges and histograms of the registry") {
    base::Metrics metrics;
    metrics.counter("c_total", "counted", {{"domain", "x"}}).add(3);
    metrics.gauge("g", "now").set(-2);
    metrics.histogram("h_seconds", "took", {1, 2}).observe(1.5);
    const auto read = base::read_json(metrics_json({"posthorn", "1", "mx", "run"}, metrics.snapshot(), 5, 7));
    REQUIRE(read);
    const base::JsonValue& json = *read;
    const auto& list = json["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    REQUIRE(list.array()->size() == 3);
    CHECK(*list[0]["sum"]["dataPoints"][0]["asInt"].string() == "3");
    CHECK(*list[0]["sum"]["dataPoints"][0]["attributes"][0]["value"]["stringValue"].string() == "x");
    CHECK(*list[0]["sum"]["dataPoints"][0]["startTimeUnixNano"].string() == "5");
    CHECK(*list[1]["gauge"]["dataPoints"][0]["asInt"].string() == "-2");
    const auto& histogram = list[2]["histogram"]["dataPoints"][0];
    CHECK(*histogram["count"].string() == "1");
    CHECK(*histogram["bucketCounts"][1].string() == "1");
    CHECK(histogram["explicitBounds"].array()->size() == 2);
}

TEST_CASE("a collector that took a part says so") {
    CHECK(partial_success(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"full"}})").rejected == 3);
    CHECK(partial_success(R"({"partialSuccess":{"rejectedSpans":4}})").rejected == 4);
    for (const auto* other :
         {"", "{}", "null", "[1]", R"({"partialSuccess":7})", R"({"partialSuccess":{"rejectedSpans":-1}})"})
        CHECK(partial_success(other).rejected == 0);
}
