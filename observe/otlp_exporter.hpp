// Tells an OpenTelemetry collector (OTLP over HTTP, JSON) about spans and metrics, on a loop apart from the mail's.
// Spans go in batches; where the collector is away they wait in their bounded queue, are tried again with growing
// pauses, and are dropped and counted in the end. Metrics are sums: what one push could not tell the next one does.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>

#include "base/metrics.hpp"
#include "net/http_client.hpp"
#include "net/loop.hpp"
#include "observe/otlp_json.hpp"
#include "observe/spans.hpp"

namespace posthorn::observe {

struct OtlpConfig {
    std::optional<net::HttpUrl> traces;   // where spans go; nothing: nowhere
    std::optional<net::HttpUrl> metrics;  // where metrics go
    std::string metrics_key;              // a bearer token; empty: none
    base::Duration metrics_interval = std::chrono::seconds(60);
    base::Duration first_pause = std::chrono::seconds(1);  // after a failure, then growing
    Resource resource;
};

// A collector's base URL with the signal's path behind it (OTLP/HTTP: "/v1/traces").
std::optional<net::HttpUrl> otlp_url(const std::string& base, const std::string& path);

class OtlpExporter {
public:
    // All outlive the loop's run.
    OtlpExporter(net::Loop& loop, net::HttpClient client, base::Metrics& metrics, OtlpConfig config);
    ~OtlpExporter();
    OtlpExporter(const OtlpExporter&) = delete;
    OtlpExporter& operator=(const OtlpExporter&) = delete;

    SpanQueue& spans();
    void start();
    // Tells what waits, for no longer than `limit`. Blocks: not on a loop.
    void finish(base::Duration limit);

private:
    struct State;
    std::shared_ptr<State> state_;
    std::vector<std::future<void>> ended_;
};

}  // namespace posthorn::observe
