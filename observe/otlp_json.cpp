#include "observe/otlp_json.hpp"

#include <numeric>

#include "base/json.hpp"
#include "base/json_value.hpp"

namespace posthorn::observe {
namespace {

using base::JsonWriter;
using base::MetricFamily;

constexpr int kStatusError = 2;
constexpr int kCumulative = 2;
constexpr std::size_t kMaxAnswer = std::size_t{64} << 10;

// 64-bit integers are strings in OTLP's JSON.
void attribute(JsonWriter& json, std::string_view key, std::string_view value) {
    json.object().field("key", key).key("value").object().field("stringValue", value).end().end();
}

void attribute(JsonWriter& json, std::string_view key, std::int64_t value) {
    json.object().field("key", key).key("value").object().field("intValue", std::to_string(value)).end().end();
}

void put_resource(JsonWriter& json, const Resource& resource) {
    json.key("resource").object().key("attributes").array();
    attribute(json, "service.name", resource.service_name);
    attribute(json, "service.version", resource.service_version);
    attribute(json, "host.name", resource.host_name);
    attribute(json, "service.instance.id", resource.instance_id);
    json.end().end();
}

void put_scope(JsonWriter& json) { json.key("scope").object().field("name", "posthorn").end(); }

void put_span(JsonWriter& json, const Span& span) {
    json.object().field("traceId", span.trace_id).field("spanId", span.span_id);
    if (!span.parent_id.empty()) json.field("parentSpanId", span.parent_id);
    json.field("name", span.name).field("kind", static_cast<int>(span.kind));
    json.field("startTimeUnixNano", std::to_string(span.began_ns));
    json.field("endTimeUnixNano", std::to_string(span.ended_ns));
    json.key("attributes").array();
    for (const auto& [key, value] : span.attributes)
        std::visit([&, &k = key](const auto& v) { attribute(json, k, v); }, value);
    if (!span.error.empty()) attribute(json, "error.type", "_OTHER");
    json.end();
    json.key("status").object();
    if (!span.error.empty()) json.field("code", kStatusError).field("message", span.error);
    json.end().end();
}

void put_labels(JsonWriter& json, const base::Labels& labels) {
    json.key("attributes").array();
    for (const auto& [key, value] : labels) attribute(json, key, value);
    json.end();
}

void put_number(JsonWriter& json, const MetricFamily::Point& point) {
    std::visit(
        [&](auto value) {
            if constexpr (std::is_same_v<decltype(value), double>)
                json.field("asDouble", value);
            else
                json.field("asInt", std::to_string(value));
        },
        point.value);
}

void put_histogram(JsonWriter& json, const MetricFamily& family, const MetricFamily::Point& point) {
    const auto total = std::accumulate(point.counts.begin(), point.counts.end(), std::uint64_t{0});
    json.field("count", std::to_string(total));
    json.field("sum", std::get<double>(point.value));
    json.key("bucketCounts").array();
    for (const auto count : point.counts) json.value(std::to_string(count));
    json.end().key("explicitBounds").array();
    for (const double bound : family.bounds) json.value(bound);
    json.end();
}

void put_family(JsonWriter& json, const MetricFamily& family, std::int64_t began_ns, std::int64_t now_ns) {
    using Kind = MetricFamily::Kind;
    json.object().field("name", family.name).field("description", family.help);
    json.key(family.kind == Kind::counter ? "sum" : family.kind == Kind::gauge ? "gauge" : "histogram").object();
    if (family.kind != Kind::gauge) json.field("aggregationTemporality", kCumulative);
    if (family.kind == Kind::counter) json.field("isMonotonic", true);
    json.key("dataPoints").array();
    for (const auto& point : family.points) {
        json.object();
        put_labels(json, point.labels);
        if (family.kind != Kind::gauge) json.field("startTimeUnixNano", std::to_string(began_ns));
        json.field("timeUnixNano", std::to_string(now_ns));
        if (family.kind == Kind::histogram)
            put_histogram(json, family, point);
        else
            put_number(json, point);
        json.end();
    }
    json.end().end().end();
}

}  // namespace

std::string spans_json(const Resource& resource, const std::vector<Span>& spans) {
    JsonWriter json;
    json.object().key("resourceSpans").array().object();
    put_resource(json, resource);
    json.key("scopeSpans").array().object();
    put_scope(json);
    json.key("spans").array();
    for (const auto& span : spans) put_span(json, span);
    json.end().end().end().end().end().end();
    return json.take();
}

std::string metrics_json(const Resource& resource, const std::vector<MetricFamily>& families, std::int64_t began_ns,
                         std::int64_t now_ns) {
    JsonWriter json;
    json.object().key("resourceMetrics").array().object();
    put_resource(json, resource);
    json.key("scopeMetrics").array().object();
    put_scope(json);
    json.key("metrics").array();
    for (const auto& family : families) put_family(json, family, began_ns, now_ns);
    json.end().end().end().end().end().end();
    return json.take();
}

PartialSuccess partial_success(std::string_view answer) {
    PartialSuccess out;
    if (answer.size() > kMaxAnswer) return out;
    const auto json = base::read_json(answer);
    if (!json) return out;
    const auto* partial = (*json)["partialSuccess"].object();
    if (partial == nullptr) return out;
    for (const auto& [name, value] : *partial) {
        if (name == "errorMessage" && value.string() != nullptr) out.message = *value.string();
        if (!name.starts_with("rejected")) continue;
        if (const auto count = value.integer(); count && *count > 0)
            out.rejected = static_cast<std::uint64_t>(*count);
        if (value.string() != nullptr) out.rejected = std::strtoull(value.string()->c_str(), nullptr, 10);
    }
    return out;
}

}  // namespace posthorn::observe
