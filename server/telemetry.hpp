// What goes to OpenTelemetry collectors: [traces], [metrics.otlp] and the environment put together.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "observe/otlp_exporter.hpp"
#include "observe/sampler.hpp"
#include "server/config/config.hpp"

namespace posthorn::server {

// Where spans and metrics go; neither: there is nothing to export. An error is one of the environment.
base::Result<observe::OtlpConfig> otlp_config(const Config& config);

// Which messages are traced; nothing: none, there is nowhere to send spans to.
base::Result<std::optional<observe::Sampler>> trace_sampler(const Config& config);

}  // namespace posthorn::server
