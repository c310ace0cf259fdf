// How one configuration value is read and written, by type. A codec says what it takes in words ("a duration such
// as "5m", 1s to 1d"), reads a Value into a C++ value or says what is wrong, and writes it back as TOML.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/config/value.hpp"
#include "base/units.hpp"

namespace posthorn::base::config {

// nullopt: fine. Otherwise what is wrong, without the key's name.
using Complaint = std::optional<std::string>;

template <class V>
struct Codec {
    std::string type;  // "a duration", "one of "reject", "normalise"": follows "wants" and stands in the reference
    std::function<Complaint(const Value&, V&)> read;
    std::function<std::string(const V&)> print;  // TOML; empty: nothing is set (written as a comment)
};

inline std::string wrong_kind(std::string_view wanted, const Value& value) {
    return fmt::format("wants {}, not {}", wanted, value.kind());
}

template <class N>
struct Range {
    N min = std::numeric_limits<N>::lowest();
    N max = std::numeric_limits<N>::max();
};

Codec<bool> flag();
Codec<double> number(Range<double> range = {});
Codec<Duration> duration(Range<Duration> range = {Duration::zero(), Duration::max()});
Codec<std::string> text();

// A secret: a string, or `{ env = "NAME" }`, or `{ file = "path" }` (its last newline is dropped). Never printed.
struct Secret {
    std::string value;
    std::string origin;  // "env NAME", "file PATH" or empty
    bool operator==(const Secret&) const = default;
};
Codec<Secret> secret();
// The same where only the content is kept.
Codec<std::string> secret_text();

// Permission bits in octal, "0600".
Codec<unsigned> mode();

namespace detail {
std::string range_text(std::string_view what, const std::string& min, const std::string& max);
Complaint read_integer(const Value& value, std::string_view type, std::int64_t min, std::int64_t max,
                       std::int64_t& out);
Complaint read_size(const Value& value, std::string_view type, std::uint64_t min, std::uint64_t max,
                    std::uint64_t& out);

template <class N>
constexpr std::int64_t as_int64(N n) {
    return std::cmp_greater(n, std::numeric_limits<std::int64_t>::max()) ? std::numeric_limits<std::int64_t>::max()
                                                                         : static_cast<std::int64_t>(n);
}
}  // namespace detail

template <class N>
Codec<N> integer(Range<N> range = {}) {
    const auto min = detail::as_int64(range.min);
    const auto max = detail::as_int64(range.max);
    const auto type = detail::range_text(
        "an integer",
        std::is_signed_v<N> && range.min == std::numeric_limits<N>::lowest() ? "" : std::to_string(min),
        range.max == std::numeric_limits<N>::max() ? "" : std::to_string(max));
    return {type,
            [=](const Value& value, N& out) {
                std::int64_t n = 0;
                auto complaint = detail::read_integer(value, type, min, max, n);
                if (!complaint) out = static_cast<N>(n);
                return complaint;
            },
            [](const N& n) { return std::to_string(n); }};
}

// "50MiB" into any unsigned integer of bytes.
template <class N>
Codec<N> size(Range<N> range = {}) {
    const auto type = detail::range_text("a size", range.min == 0 ? "" : format_size(range.min),
                                         range.max == std::numeric_limits<N>::max() ? "" : format_size(range.max));
    return {type,
            [=](const Value& value, N& out) {
                std::uint64_t n = 0;
                auto complaint = detail::read_size(value, type, range.min, range.max, n);
                if (!complaint) out = static_cast<N>(n);
                return complaint;
            },
            [](const N& n) { return config::quoted(format_size(n)); }};
}

template <class E>
Codec<E> choice(std::vector<std::pair<std::string, E>> choices) {
    std::vector<std::string> names;
    for (const auto& [name, value] : choices) names.push_back(name);
    std::string type = "one of";
    for (const auto& name : names) type += (name == names.front() ? " " : ", ") + config::quoted(name);
    return {type,
            [=](const Value& value, E& out) -> Complaint {
                const auto* given = value.as<std::string>();
                if (given == nullptr) return wrong_kind(type, value);
                for (const auto& [name, e] : choices) {
                    if (name != *given) continue;
                    out = e;
                    return std::nullopt;
                }
                const auto near = nearest(*given, names);
                return fmt::format("wants {}, not {}{}", type, config::quoted(*given),
                                   near.empty() ? "" : fmt::format("; did you mean {}?", config::quoted(near)));
            },
            [=](const E& e) -> std::string {
                for (const auto& [name, value] : choices)
                    if (value == e) return config::quoted(name);
                return {};
            }};
}

// A string with a grammar of its own: `parse` gives the value or what is wrong with it.
template <class V>
Codec<V> parsed(std::string type, std::function<std::expected<V, std::string>(std::string_view)> parse,
                std::function<std::string(const V&)> print) {
    return {type,
            [=](const Value& value, V& out) -> Complaint {
                const auto* given = value.as<std::string>();
                if (given == nullptr) return wrong_kind(type, value);
                auto result = parse(*given);
                if (!result) return fmt::format("{} is not {}: {}", config::quoted(*given), type, result.error());
                out = std::move(*result);
                return std::nullopt;
            },
            [=](const V& v) { return config::quoted(print(v)); }};
}

// An array of what `item` reads.
template <class V>
Codec<std::vector<V>> list(Codec<V> item) {
    return {"an array; each entry " + item.type,
            [=](const Value& value, std::vector<V>& out) -> Complaint {
                const auto* given = value.as<std::vector<Value>>();
                if (given == nullptr) return wrong_kind("an array", value);
                out.clear();
                for (std::size_t i = 0; i < given->size(); ++i) {
                    V v{};
                    if (auto complaint = item.read((*given)[i], v))
                        return fmt::format("entry {} {}", i + 1, *complaint);
                    out.push_back(std::move(v));
                }
                return std::nullopt;
            },
            [=](const std::vector<V>& all) {
                std::string out = "[";
                for (const V& v : all) out += (out.size() > 1 ? ", " : "") + item.print(v);
                return out + "]";
            }};
}

// Set or not: not set means "as elsewhere" or "off"; the key's text says which.
template <class V>
Codec<std::optional<V>> optional(Codec<V> inner) {
    return {inner.type,
            [=](const Value& value, std::optional<V>& out) {
                V v{};
                auto complaint = inner.read(value, v);
                if (!complaint) out = std::move(v);
                return complaint;
            },
            [=](const std::optional<V>& v) { return v ? inner.print(*v) : std::string{}; }};
}

// { name = "text", ... }
Codec<std::map<std::string, std::string>> text_map();

}  // namespace posthorn::base::config
