#include "mail/trace_context.hpp"

#include <algorithm>
#include <cstdint>

#include "base/ascii.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kTraceId = 32;
constexpr std::size_t kSpanId = 16;
constexpr std::size_t kLength = 2 + 1 + kTraceId + 1 + kSpanId + 1 + 2;

bool lower_hex(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return base::is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool zeros(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

std::string hex(std::uint64_t value) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out(16, '0');
    for (auto digit = out.rbegin(); digit != out.rend(); ++digit, value >>= 4U) *digit = digits[value & 15U];
    return out;
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view text) {
    // A later version may have more behind it (W3C trace context §4.3).
    if (text.size() < kLength || !lower_hex(text.substr(0, 2)) || text.starts_with("ff")) return std::nullopt;
    if (text.size() > kLength && (text.starts_with("00") || text[kLength] != '-')) return std::nullopt;
    const auto trace = text.substr(3, kTraceId);
    const auto span = text.substr(4 + kTraceId, kSpanId);
    const auto flags = text.substr(5 + kTraceId + kSpanId, 2);
    if (text[2] != '-' || text[3 + kTraceId] != '-' || text[4 + kTraceId + kSpanId] != '-') return std::nullopt;
    if (!lower_hex(trace) || !lower_hex(span) || !lower_hex(flags) || zeros(trace) || zeros(span))
        return std::nullopt;
    return TraceParent{{std::string(trace), std::string(span)}, (base::hex_digit(flags[1]) & 1) != 0};
}

std::string traceparent(const TraceContext& context) {
    return "00-" + context.trace_id + "-" + context.span_id + "-01";
}

std::string new_trace_id(base::Random& random) {
    return hex(random.next()) + hex(random.next() | 1U);  // never all zeros
}

std::string new_span_id(base::Random& random) { return hex(random.next() | 1U); }

}  // namespace posthorn::mail
