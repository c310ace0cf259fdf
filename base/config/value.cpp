#include "base/config/value.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.hpp"

namespace posthorn::base::config {
namespace {

// Optimal string alignment: insert, delete, replace, swap neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + cost});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = std::min(now[j], before[j - 2] + 1);
        }
        before.swap(last);
        last.swap(now);
    }
    return last[b.size()];
}

constexpr std::size_t kLongestWord = 64;  // beyond it nobody mistyped one of our keys

bool bare_key(std::string_view name) {
    return !name.empty() &&
           std::all_of(name.begin(), name.end(), [](char c) { return is_alnum(c) || c == '_' || c == '-'; });
}

}  // namespace

std::string_view Value::kind() const {
    constexpr std::string_view names[] = {"a date or time", "a boolean", "an integer", "a number",
                                          "a string",       "an array",  "a table"};
    return names[data.index()];
}

std::vector<Problems::Problem> Problems::sorted() const {
    auto out = all_;
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
    return out;
}

std::string Problems::text(std::string_view file) const {
    std::string out;
    for (const auto& problem : sorted()) {
        if (problem.place.line == 0)
            out += fmt::format("{}: {}\n", file, problem.text);
        else
            out += fmt::format("{}:{}:{}: {}\n", file, problem.place.line, problem.place.column, problem.text);
    }
    return out;
}

std::string_view nearest(std::string_view word, const std::vector<std::string>& known) {
    if (word.size() > kLongestWord) return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const auto& candidate : known) {
        const auto d = distance(word, candidate);
        if (d < best_distance && d < candidate.size()) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += fmt::format("\\{}", c);
        else if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
            out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out + '"';
}

std::string dotted(std::string_view path, std::string_view name) {
    std::string out(path);
    if (!out.empty()) out += '.';
    return out + (bare_key(name) ? std::string(name) : quoted(name));
}

}  // namespace posthorn::base::config
