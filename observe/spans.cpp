#include "observe/spans.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace posthorn::observe {
namespace {

using mail::Event;
using mail::EventKind;

// A part's id follows from the whole's: splitmix64, so that parts of different spans do not meet.
std::string child_id(const std::string& parent, std::size_t number) {
    std::uint64_t x = 0;
    std::from_chars(parent.data(), parent.data() + parent.size(), x, 16);
    x += 0x9E3779B97F4A7C15U * (number + 1);
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    x = (x ^ (x >> 31U)) | 1U;
    char text[17] = {};
    const auto end = std::to_chars(text, text + sizeof text, x, 16).ptr;
    const auto size = static_cast<std::size_t>(end - text);
    return std::string(16 - size, '0') + std::string(text, size);
}

void put(Span& span, const char* key, const std::string& value) {
    if (!value.empty()) span.attributes.emplace_back(key, value);
}

void put(Span& span, const char* key, std::int64_t value) {
    if (value != 0) span.attributes.emplace_back(key, value);
}

// Attributes as OpenTelemetry's semantic conventions name them; what mail has of its own under posthorn.*.
void describe(Span& span, const Event& event) {
    put(span, "posthorn.message_id", event.message_id ? event.message_id->to_string() : std::string{});
    put(span, "posthorn.header_message_id", event.header_message_id);
    put(span, "posthorn.size", static_cast<std::int64_t>(event.size));
    put(span, "network.protocol.name", std::string("smtp"));
    if (event.kind == EventKind::accepted) {
        put(span, "client.address", event.client_ip);
        put(span, "posthorn.session_id", event.session);
    } else {
        put(span, "server.address", event.remote_host);
        put(span, "network.peer.address", event.remote_ip);
        put(span, "posthorn.domain", event.domain);
        put(span, "posthorn.attempt", event.attempt);
    }
    put(span, "tls.protocol", event.tls);
    put(span, "smtp.response.status_code", event.code);
    put(span, "smtp.response.enhanced_code", event.status);
}

Span span_of(const Event& event, const mail::Step& step) {
    Span span;
    span.trace_id = event.trace.trace_id;
    span.name = step.name;
    span.began_ns = step.began_ns;
    span.ended_ns = step.began_ns + step.took.count();
    span.error = step.error;
    for (const auto& [key, value] : step.attributes) span.attributes.emplace_back(key, value);
    return span;
}

}  // namespace

SpanQueue::SpanQueue(base::Metrics& metrics)
    : dropped_(metrics.counter("posthorn_traces_dropped_total",
                               "Spans lost: the collector was away for too long or refused them")) {}

void SpanQueue::put(std::vector<Span> spans) {
    bool notify = false;
    {
        const std::lock_guard lock(mutex_);
        if (spans_.size() + spans.size() > kSpanQueue) {
            dropped_.add(spans.size());
            return;
        }
        const auto before = spans_.size();
        std::ranges::move(spans, std::back_inserter(spans_));
        notify = before < kSpanBatch && spans_.size() >= kSpanBatch;
    }
    if (notify && notify_) notify_();
}

std::vector<Span> SpanQueue::take(std::size_t max) {
    const std::lock_guard lock(mutex_);
    const auto count = static_cast<std::ptrdiff_t>(std::min(max, spans_.size()));
    std::vector<Span> out(std::move_iterator(spans_.begin()), std::move_iterator(spans_.begin() + count));
    spans_.erase(spans_.begin(), spans_.begin() + count);
    return out;
}

std::size_t SpanQueue::size() const {
    const std::lock_guard lock(mutex_);
    return spans_.size();
}

void SpanMaker::record(const Event& event) {
    if (event.steps.empty() || event.trace.trace_id.empty()) return;
    const bool reception = event.kind == EventKind::accepted;
    std::vector<Span> spans;
    for (std::size_t i = 0; i < event.steps.size(); ++i) {
        Span span = span_of(event, event.steps[i]);
        if (i == 0) {
            span.span_id = event.trace.span_id;
            span.parent_id = event.parent_span;
            span.kind = reception ? Span::Kind::server : Span::Kind::client;
            describe(span, event);
        } else {
            span.span_id = child_id(event.trace.span_id, i);
            span.parent_id = event.trace.span_id;
            if (!reception) span.kind = Span::Kind::client;
        }
        spans.push_back(std::move(span));
    }
    queue_.put(std::move(spans));
}

}  // namespace posthorn::observe
