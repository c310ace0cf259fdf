// Which messages are traced, by the rules of OpenTelemetry's samplers. An immutable value.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "mail/trace_context.hpp"

namespace posthorn::observe {

struct Sampler {
    enum class Root : unsigned char { always, never, ratio } root = Root::always;
    bool parent_based = true;  // where another node has decided, its decision holds
    double ratio = 1.0;        // of Root::ratio: the part of all traces

    // OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG; empty: parentbased_always_on. An error is for the operator.
    static base::Result<Sampler> make(std::string_view name, std::string_view argument);

    // The context of a new message's first span, below `parent` where there is one. Nothing: it is not traced.
    std::optional<mail::TraceContext> begin(base::Random& random,
                                            const std::optional<mail::TraceParent>& parent) const;

private:
    bool sampled(const std::string& trace_id, const std::optional<mail::TraceParent>& parent) const;
};

}  // namespace posthorn::observe
