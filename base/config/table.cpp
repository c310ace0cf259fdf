#include "base/config/table.hpp"

#include <algorithm>

namespace posthorn::base::config {

void Report::operator()(std::string_view key, std::string_view complaint) const {
    const Member* given = detail::find(section_, key);
    problems_.add(given != nullptr ? given->place : section_.place,
                  fmt::format("{} {}", key.empty() ? path_ : dotted(path_, key), complaint));
}

namespace detail {

const Member* find(const Value& section, std::string_view name) {
    const auto* members = section.members();
    if (members == nullptr) return nullptr;
    for (const auto& member : *members)
        if (member.name == name) return &member;
    return nullptr;
}

bool want_table(const Member& member, const std::string& path, Problems& problems) {
    if (member.value.members() != nullptr) return true;
    const auto complaint = member.value.as<std::vector<Value>>() != nullptr
                               ? fmt::format("is one table: write [{}], not [[{}]]", path, path)
                               : wrong_kind("a table", member.value);
    problems.add(member.place, fmt::format("{} {}", path, complaint));
    return false;
}

void check_names(const Value& section, const std::string& path, const std::vector<std::string>& known,
                 const std::vector<std::string>& all_paths, Problems& problems) {
    for (const auto& member : *section.members()) {
        if (std::find(known.begin(), known.end(), member.name) != known.end()) continue;
        std::string hint;
        if (const auto near = nearest(member.name, known); !near.empty()) {
            hint = dotted(path, near);
        } else {
            // The right word in the wrong section.
            for (const auto& other : all_paths)
                if (other.ends_with("." + member.name)) hint = other;
        }
        problems.add(member.place, fmt::format("unknown key {}{}", dotted(path, member.name),
                                               hint.empty() ? "" : "; did you mean " + hint + "?"));
    }
}

}  // namespace detail
}  // namespace posthorn::base::config
