#include "server/telemetry.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "base/random.hpp"
#include "base/version.hpp"

namespace posthorn::server {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

std::string traces_base(const Config& config) {
    return config.traces.endpoint.empty() ? environment("OTEL_EXPORTER_OTLP_ENDPOINT") : config.traces.endpoint;
}

std::string run_id() {
    std::uint64_t bits[2];
    base::secure_random(bits, sizeof bits);
    return fmt::format("{:016x}{:016x}", bits[0], bits[1]);
}

}  // namespace

base::Result<observe::OtlpConfig> otlp_config(const Config& config) {
    observe::OtlpConfig out;
    if (const auto base = traces_base(config); !base.empty()) {
        out.traces = observe::otlp_url(base, "/v1/traces");
        if (!out.traces)
            return base::fail(base::ErrorKind::permanent, "OTEL_EXPORTER_OTLP_ENDPOINT: not a URL: " + base);
    }
    const auto& metrics = config.metrics.otlp;
    if (!metrics.endpoint.empty()) out.metrics = observe::otlp_url(metrics.endpoint, "/v1/metrics");
    out.metrics_key = metrics.api_key;
    out.metrics_interval = metrics.interval;
    const auto name = environment("OTEL_SERVICE_NAME");
    out.resource = {.service_name = name.empty() ? "posthorn" : name,
                    .service_version = std::string(base::version()),
                    .host_name = config.server.hostname,
                    .instance_id = run_id()};
    return out;
}

base::Result<std::optional<observe::Sampler>> trace_sampler(const Config& config) {
    if (traces_base(config).empty()) return std::nullopt;
    auto sampler =
        observe::Sampler::make(environment("OTEL_TRACES_SAMPLER"), environment("OTEL_TRACES_SAMPLER_ARG"));
    if (!sampler) return std::unexpected(sampler.error());
    return *std::move(sampler);
}

}  // namespace posthorn::server
