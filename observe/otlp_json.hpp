// OTLP's JSON (OpenTelemetry protocol 1.x over HTTP): spans and metrics as what a collector takes. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.hpp"
#include "observe/spans.hpp"

namespace posthorn::observe {

// Who tells it.
struct Resource {
    std::string service_name;
    std::string service_version;
    std::string host_name;
    std::string instance_id;  // of this run
};

std::string spans_json(const Resource& resource, const std::vector<Span>& spans);
// Times are nanoseconds since 1970; sums count from `began_ns` on.
std::string metrics_json(const Resource& resource, const std::vector<base::MetricFamily>& families,
                         std::int64_t began_ns, std::int64_t now_ns);

// How much of a request the collector says it has not taken; 0 for what is no such answer.
struct PartialSuccess {
    std::uint64_t rejected = 0;
    std::string message;
};
PartialSuccess partial_success(std::string_view answer);

}  // namespace posthorn::observe
