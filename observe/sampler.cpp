#include "observe/sampler.hpp"

#include <charconv>

namespace posthorn::observe {
namespace {

constexpr std::string_view kParentBased = "parentbased_";

}  // namespace

base::Result<Sampler> Sampler::make(std::string_view name, std::string_view argument) {
    Sampler out;
    if (name.empty()) return out;
    const auto whole = name;
    out.parent_based = name.starts_with(kParentBased);
    if (out.parent_based) name.remove_prefix(kParentBased.size());
    if (name == "always_on")
        out.root = Root::always;
    else if (name == "always_off")
        out.root = Root::never;
    else if (name == "traceidratio")
        out.root = Root::ratio;
    else
        return base::fail(base::ErrorKind::permanent,
                          "OTEL_TRACES_SAMPLER: there is no sampler " + std::string(whole));
    if (out.root != Root::ratio || argument.empty()) return out;
    const auto* end = argument.data() + argument.size();
    const auto read = std::from_chars(argument.data(), end, out.ratio);
    if (read.ec != std::errc{} || read.ptr != end || !(out.ratio >= 0 && out.ratio <= 1))
        return base::fail(base::ErrorKind::permanent,
                          "OTEL_TRACES_SAMPLER_ARG: not a number from 0 to 1: " + std::string(argument));
    return out;
}

std::optional<mail::TraceContext> Sampler::begin(base::Random& random,
                                                 const std::optional<mail::TraceParent>& parent) const {
    auto trace_id = parent ? parent->context.trace_id : mail::new_trace_id(random);
    if (!sampled(trace_id, parent)) return std::nullopt;
    return mail::TraceContext{std::move(trace_id), mail::new_span_id(random)};
}

bool Sampler::sampled(const std::string& trace_id, const std::optional<mail::TraceParent>& parent) const {
    if (parent && parent_based) return parent->sampled;
    switch (root) {
        case Root::always: return true;
        case Root::never: return false;
        case Root::ratio: break;
    }
    // Of the last 56 bits: the same for one trace at every node.
    std::uint64_t low = 0;
    const auto digits = std::string_view(trace_id).substr(trace_id.size() - 14);
    std::from_chars(digits.data(), digits.data() + digits.size(), low, 16);
    return static_cast<double>(low) < ratio * 0x1.0p56;
}

}  // namespace posthorn::observe
