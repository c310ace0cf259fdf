#include "base/config/codec.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace posthorn::base::config {
namespace {

constexpr std::size_t kMaxSecretFile = 64 * 1024;

std::string number_text(double d) {
    char buffer[32];
    std::string out(buffer, std::to_chars(buffer, buffer + sizeof buffer, d).ptr);
    // TOML: without a point or exponent it would be an integer.
    if (out.find_first_of(".en") == std::string::npos) out += ".0";
    return out;
}

Complaint read_secret_file(const std::string& path, Secret& out) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fmt::format("cannot read the secret's file {}", quoted(path));
    std::string bytes(kMaxSecretFile + 1, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad() || bytes.empty()) return fmt::format("the secret's file {} is empty or not a file", quoted(path));
    if (bytes.size() > kMaxSecretFile) return fmt::format("the secret's file {} is too large", quoted(path));
    if (bytes.ends_with('\n')) bytes.pop_back();
    out = {std::move(bytes), "file " + path};
    return std::nullopt;
}

Complaint read_secret(const Value& value, Secret& out) {
    constexpr std::string_view wanted = R"(a string, { env = "NAME" } or { file = "path" })";
    if (const auto* plain = value.as<std::string>()) {
        out = {*plain, {}};
        return std::nullopt;
    }
    const auto* members = value.members();
    if (members == nullptr || members->size() != 1) return wrong_kind(wanted, value);
    const auto& [name, place, source] = members->front();
    const auto* from = source.as<std::string>();
    if (from == nullptr || (name != "env" && name != "file")) return fmt::format("wants {}", wanted);
    if (name == "file") return read_secret_file(*from, out);
    const char* content = std::getenv(from->c_str());
    if (content == nullptr) return fmt::format("the environment has no {}", *from);
    out = {content, "env " + *from};
    return std::nullopt;
}

}  // namespace

namespace detail {

std::string range_text(std::string_view what, const std::string& min, const std::string& max) {
    if (min.empty() && max.empty()) return std::string(what);
    if (max.empty()) return fmt::format("{}, at least {}", what, min);
    if (min.empty()) return fmt::format("{}, at most {}", what, max);
    return fmt::format("{} from {} to {}", what, min, max);
}

Complaint read_integer(const Value& value, std::string_view type, std::int64_t min, std::int64_t max,
                       std::int64_t& out) {
    const auto* n = value.as<std::int64_t>();
    if (n == nullptr) return wrong_kind(type, value);
    if (*n < min || *n > max) return fmt::format("wants {}, not {}", type, *n);
    out = *n;
    return std::nullopt;
}

Complaint read_size(const Value& value, std::string_view type, std::uint64_t min, std::uint64_t max,
                    std::uint64_t& out) {
    const auto* given = value.as<std::string>();
    if (given == nullptr) return wrong_kind(fmt::format("{} such as \"50MiB\"", type), value);
    const auto n = parse_size(*given);
    if (!n) return fmt::format("wants {} such as \"50MiB\", not {}", type, quoted(*given));
    if (*n < min || *n > max) return fmt::format("wants {}, not {}", type, quoted(*given));
    out = *n;
    return std::nullopt;
}

}  // namespace detail

Codec<bool> flag() {
    return {"true or false",
            [](const Value& value, bool& out) -> Complaint {
                const auto* b = value.as<bool>();
                if (b == nullptr) return wrong_kind("true or false", value);
                out = *b;
                return std::nullopt;
            },
            [](const bool& b) { return std::string(b ? "true" : "false"); }};
}

Codec<double> number(Range<double> range) {
    const auto type = detail::range_text(
        "a number", range.min == std::numeric_limits<double>::lowest() ? "" : number_text(range.min),
        range.max == std::numeric_limits<double>::max() ? "" : number_text(range.max));
    return {type,
            [=](const Value& value, double& out) -> Complaint {
                double d = 0;
                if (const auto* n = value.as<std::int64_t>())
                    d = static_cast<double>(*n);
                else if (const auto* real = value.as<double>())
                    d = *real;
                else
                    return wrong_kind(type, value);
                if (!std::isfinite(d) || d < range.min || d > range.max)
                    return fmt::format("wants {}, not {}", type, d);
                out = d;
                return std::nullopt;
            },
            [](const double& d) { return number_text(d); }};
}

Codec<Duration> duration(Range<Duration> range) {
    const auto type =
        detail::range_text("a duration", range.min == Duration::zero() ? "" : format_duration(range.min),
                           range.max == Duration::max() ? "" : format_duration(range.max));
    return {type,
            [=](const Value& value, Duration& out) -> Complaint {
                const auto* given = value.as<std::string>();
                if (given == nullptr) return wrong_kind(fmt::format("{} such as \"5m\"", type), value);
                const auto d = parse_duration(*given);
                if (!d) return fmt::format("wants {} such as \"5m\", not {}", type, quoted(*given));
                if (*d < range.min || *d > range.max) return fmt::format("wants {}, not {}", type, quoted(*given));
                out = *d;
                return std::nullopt;
            },
            [](const Duration& d) { return quoted(format_duration(d)); }};
}

Codec<std::string> text() {
    return {"a string",
            [](const Value& value, std::string& out) -> Complaint {
                const auto* given = value.as<std::string>();
                if (given == nullptr) return wrong_kind("a string", value);
                if (given->find('\0') != std::string::npos) return "holds a NUL";
                out = *given;
                return std::nullopt;
            },
            [](const std::string& s) { return quoted(s); }};
}

Codec<Secret> secret() {
    return {R"(a string, { env = "NAME" } or { file = "path" })", read_secret, [](const Secret& s) -> std::string {
                const auto space = s.origin.find(' ');
                if (space == std::string::npos) return s.value.empty() ? "" : "\"********\"";
                return fmt::format("{{ {} = {} }}", s.origin.substr(0, space), quoted(s.origin.substr(space + 1)));
            }};
}

Codec<std::string> secret_text() {
    return {secret().type,
            [](const Value& value, std::string& out) {
                Secret read;
                auto complaint = read_secret(value, read);
                if (!complaint) out = std::move(read.value);
                return complaint;
            },
            [](const std::string& s) -> std::string { return s.empty() ? "\"\"" : "\"********\""; }};
}

Codec<unsigned> mode() {
    return parsed<unsigned>(
        "permission bits in octal such as \"0600\"",
        [](std::string_view given) -> std::expected<unsigned, std::string> {
            unsigned bits = 0;
            const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), bits, 8);
            if (error != std::errc{} || end != given.data() + given.size() || bits > 0777)
                return std::unexpected("three or four octal digits up to 0777");
            return bits;
        },
        [](const unsigned& bits) { return fmt::format("{:04o}", bits); });
}

Codec<std::map<std::string, std::string>> text_map() {
    return {R"(a table of strings such as { name = "text" })",
            [](const Value& value, std::map<std::string, std::string>& out) -> Complaint {
                const auto* members = value.members();
                if (members == nullptr) return wrong_kind("a table of strings", value);
                out.clear();
                for (const auto& member : *members) {
                    const auto* s = member.value.as<std::string>();
                    if (s == nullptr)
                        return fmt::format("entry {} {}", member.name, wrong_kind("a string", member.value));
                    out[member.name] = *s;
                }
                return std::nullopt;
            },
            [](const std::map<std::string, std::string>& all) {
                if (all.empty()) return std::string("{}");
                std::string out;
                for (const auto& [name, s] : all)
                    out += fmt::format("{}{} = {}", out.empty() ? "{ " : ", ", dotted("", name), quoted(s));
                return out + " }";
            }};
}

}  // namespace posthorn::base::config
