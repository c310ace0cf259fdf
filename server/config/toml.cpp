#include "server/config/toml.hpp"

#include <toml++/toml.h>

#include "base/utf8.hpp"

namespace posthorn::server {
namespace {

using base::config::Member;
using base::config::Place;
using base::config::Problems;
using base::config::Value;

constexpr std::size_t kMaxMessage = 300;

Place place(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

// Depth is checked here for our own recursion; toml++ has a limit of its own for its.
Value convert(const toml::node& node, int depth, Problems& problems) {
    Value out;
    out.place = place(node.source());
    if (depth > kMaxTomlDepth) {
        problems.add(out.place, "nested too deeply");
        return out;
    }
    if (const auto* table = node.as_table()) {
        std::vector<Member> members;
        members.reserve(table->size());
        for (const auto& [key, value] : *table)
            members.push_back({std::string(key.str()), place(key.source()), convert(value, depth + 1, problems)});
        out.data = std::move(members);
    } else if (const auto* array = node.as_array()) {
        std::vector<Value> values;
        values.reserve(array->size());
        for (const auto& value : *array) values.push_back(convert(value, depth + 1, problems));
        out.data = std::move(values);
    } else if (const auto* text = node.as_string()) {
        out.data = text->get();
    } else if (const auto* integer = node.as_integer()) {
        out.data = integer->get();
    } else if (const auto* real = node.as_floating_point()) {
        out.data = real->get();
    } else if (const auto* boolean = node.as_boolean()) {
        out.data = boolean->get();
    }
    return out;
}

}  // namespace

std::optional<Value> parse_toml(std::string_view text, Problems& problems) {
    try {
        const toml::table document = toml::parse(text);
        auto value = convert(document, 0, problems);
        value.place = {1, 1};
        return value;
    } catch (const toml::parse_error& e) {
        problems.add(place(e.source()), base::printable(e.description(), kMaxMessage));
        return std::nullopt;
    }
}

}  // namespace posthorn::server
