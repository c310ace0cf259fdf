#include "mail/header_fields.hpp"

namespace posthorn::mail {

std::string_view first_line(std::string_view text) {
    const auto end = text.find("\r\n");
    return end == std::string_view::npos ? text : text.substr(0, end + 2);
}

std::string_view field_name(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return {};
    auto name = line.substr(0, colon);
    while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);  // RFC 5322 §4.5: obsolete, but seen
    for (const char c : name)
        if (c <= ' ' || c > '~') return {};
    return name;
}

std::vector<FieldText> fields_of(std::string_view header) {
    std::vector<FieldText> out;
    while (!header.empty()) {
        auto size = first_line(header).size();
        while (size < header.size() && continues_field(header.substr(size)))
            size += first_line(header.substr(size)).size();
        out.push_back({field_name(first_line(header)), header.substr(0, size)});
        header.remove_prefix(size);
    }
    return out;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const auto first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

}  // namespace posthorn::mail
