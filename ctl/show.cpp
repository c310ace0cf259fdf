#include "ctl/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/utf8.hpp"
#include "ctl/timeline.hpp"

namespace posthorn::ctl {
namespace {

using control::Value;

constexpr std::size_t kMaxCell = 60;

// Terminal columns, near enough: one for each character.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string scalar(const Value& value) {
    if (const auto* b = value.as<bool>()) return *b ? "yes" : "no";
    if (value.as<std::string>() != nullptr) return base::printable(value.text(), 4096);
    if (value.nil()) return "-";
    return control::to_json(value, false);
}

bool table_like(const Value& value) {
    return value.items() != nullptr && !value.items()->empty() && value.items()->front().members() != nullptr;
}

// One cell: of a list of recipients the first address and how many more.
std::string cell(const Value& value) {
    const auto* list = value.items();
    if (list == nullptr) return scalar(value);
    if (list->empty()) return "-";
    const auto* address = list->front().find("address");
    std::string out = scalar(address != nullptr ? *address : list->front());
    if (list->size() > 1) out += fmt::format(" +{}", list->size() - 1);
    return out;
}

std::string heading(std::string_view key) {
    std::string out(key);
    for (char& c : out) c = c == '_' ? ' ' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
    return out;
}

std::string table(const Value::List& rows, std::string_view indent) {
    std::vector<std::string> keys;
    for (const auto& row : rows) {
        if (row.members() == nullptr) continue;
        for (const auto& [key, value] : *row.members()) {
            if (value.members() == nullptr && std::find(keys.begin(), keys.end(), key) == keys.end())
                keys.push_back(key);
        }
    }
    std::vector<std::vector<std::string>> lines(1);
    for (const auto& key : keys) lines[0].push_back(heading(key));
    for (const auto& row : rows) {
        auto& line = lines.emplace_back();
        for (const auto& key : keys) {
            const auto* value = row.find(key);
            line.push_back(value != nullptr ? base::printable(cell(*value), kMaxCell) : "");
        }
    }
    std::string out;
    for (const auto& line : lines) {
        out += indent;
        for (std::size_t i = 0; i < keys.size(); ++i) {
            std::size_t widest = 0;
            for (const auto& other : lines) widest = std::max(widest, width(other[i]));
            out += line[i];
            if (i + 1 < keys.size()) out.append(widest - width(line[i]) + 2, ' ');
        }
        while (out.ends_with(' ')) out.pop_back();
        out += '\n';
    }
    return out;
}

std::string fields(const Value& value, std::size_t indent) {
    const auto* members = value.members();
    if (members == nullptr) return scalar(value) + "\n";
    std::size_t widest = 0;
    for (const auto& [key, member] : *members) widest = std::max(widest, key.size());
    std::string out;
    const std::string margin(indent, ' ');
    for (const auto& [key, member] : *members) {
        const auto left = fmt::format("{}{}:", margin, key);
        if (member.members() != nullptr) {
            out += left + "\n" + fields(member, indent + 2);
        } else if (table_like(member)) {
            out += left + "\n" + table(*member.items(), margin + "  ");
        } else if (member.items() != nullptr) {
            out += left + (member.items()->empty() ? " -\n" : "\n");
            for (const auto& item : *member.items()) out += fmt::format("{}  {}\n", margin, scalar(item));
        } else {
            out += fmt::format("{:<{}} {}\n", left, indent + widest + 1, scalar(member));
        }
    }
    return out;
}

}  // namespace

std::string show(control::Shape shape, const Value& result, const Value& info) {
    if (shape == control::Shape::timeline) return timeline(result, info);
    std::string out;
    if (result.items() == nullptr)
        out = fields(result, 0);
    else if (result.items()->empty())
        out = shape == control::Shape::table ? "none\n" : "";
    else if (table_like(result))
        out = table(*result.items(), "");
    else
        for (const auto& item : *result.items()) out += scalar(item) + "\n";
    const auto* matched = info.find("matched");
    if (matched != nullptr && result.items() != nullptr && matched->integer() &&
        static_cast<std::size_t>(*matched->integer()) > result.items()->size())
        out += fmt::format("({} of {})\n", result.items()->size(), *matched->integer());
    return out;
}

}  // namespace posthorn::ctl
