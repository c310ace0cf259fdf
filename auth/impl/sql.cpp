#include "auth/impl/sql.hpp"

#include <algorithm>

#include "base/ascii.hpp"

namespace posthorn::auth::impl {
namespace {

bool word(char c) { return base::is_alnum(c) || c == '_'; }

// Behind the text in quotes that begins at `at`.
std::size_t skip_quoted(std::string_view text, std::size_t at) {
    const auto end = text.find(text[at], at + 1);
    return end == std::string_view::npos ? text.size() : end + 1;
}

}  // namespace

std::optional<std::size_t> SqlRows::column(std::string_view name) const {
    const auto found = std::ranges::find_if(columns, [&](const auto& one) { return base::iequals(one, name); });
    if (found == columns.end()) return std::nullopt;
    return static_cast<std::size_t>(found - columns.begin());
}

SqlStatement with_marks(std::string_view text, SqlMarks marks) {
    SqlStatement out;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        std::size_t end = at + 1;
        if (c == '\'' || c == '"' || c == '`') {
            end = skip_quoted(text, at);
        } else if (c == ':' && text.substr(at).starts_with("::")) {
            end = at + 2;
        } else if (c == ':') {
            while (end < text.size() && word(text[end])) ++end;
            if (end > at + 1) {
                out.parameters.emplace_back(text.substr(at + 1, end - at - 1));
                out.text += marks == SqlMarks::question ? "?" : "$" + std::to_string(out.parameters.size());
                at = end;
                continue;
            }
        }
        out.text += text.substr(at, end - at);
        at = end;
    }
    return out;
}

}  // namespace posthorn::auth::impl
