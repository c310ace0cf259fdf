// W3C trace context, level 1: which trace a message belongs to, and how nodes tell each other. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"

namespace posthorn::mail {

// 16 + 8 octets as lower-case hex; empty where there is none.
struct TraceContext {
    std::string trace_id;
    std::string span_id;
    bool operator==(const TraceContext&) const = default;
};

struct TraceParent {
    TraceContext context;
    bool sampled = false;
};

// The value of a `traceparent`: "00-<trace id>-<span id>-<flags>". Nothing for what is none.
std::optional<TraceParent> parse_traceparent(std::string_view text);
std::string traceparent(const TraceContext& context);  // sampled

std::string new_trace_id(base::Random& random);
std::string new_span_id(base::Random& random);

}  // namespace posthorn::mail
