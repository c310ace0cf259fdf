#include "ctl/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/utf8.hpp"

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
    Table table(indent);
    return table.add(rows);
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

std::string Table::add(const Value::List& rows) {
    std::vector<std::vector<std::string>> lines;
    if (keys_.empty()) {
        for (const auto& row : rows) {
            if (row.members() == nullptr) continue;
            for (const auto& [key, value] : *row.members()) {
                if (value.members() == nullptr && std::find(keys_.begin(), keys_.end(), key) == keys_.end())
                    keys_.push_back(key);
            }
        }
        widths_.resize(keys_.size());
        auto& line = lines.emplace_back();
        for (const auto& key : keys_) line.push_back(heading(key));
    }
    for (const auto& row : rows) {
        auto& line = lines.emplace_back();
        for (const auto& key : keys_) {
            const auto* value = row.find(key);
            line.push_back(value != nullptr ? base::printable(cell(*value), kMaxCell) : "");
        }
    }
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) widths_[i] = std::max(widths_[i], width(line[i]));
    }
    std::string out;
    for (const auto& line : lines) {
        out += indent_;
        for (std::size_t i = 0; i < line.size(); ++i) {
            out += line[i];
            if (i + 1 < line.size()) out.append(widths_[i] - width(line[i]) + 2, ' ');
        }
        while (out.ends_with(' ')) out.pop_back();
        out += '\n';
    }
    return out;
}

std::string ListShow::part(const Value::List& items) {
    if (items.empty()) return {};
    const bool first = !std::exchange(any_, true);
    if (!json_) {
        if (items.front().members() != nullptr) return table_.add(items);
        std::string out;
        for (const auto& item : items) out += scalar(item) + "\n";
        return out;
    }
    std::string out = first ? "[" : "";
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0 || !first) out += ',';
        out += "\n  ";
        for (const char c : control::to_json(items[i], true)) {
            out += c;
            if (c == '\n') out += "  ";
        }
    }
    return out;
}

std::string ListShow::end(const Value& info) const {
    if (json_) return any_ ? "\n]\n" : "[]\n";
    std::string out = any_ ? "" : "none\n";
    const auto number = [&](std::string_view name) {
        const auto* value = info.find(name);
        return value != nullptr ? value->integer() : std::nullopt;
    };
    if (const auto changed = number("changed")) out += fmt::format("({} done)\n", *changed);
    const auto matched = number("matched");
    const auto given = number("given");
    if (matched && given && *matched > *given) out += fmt::format("({} of {})\n", *given, *matched);
    return out;
}

std::string show(const Value& result) {
    if (result.items() == nullptr) return fields(result, 0);
    ListShow list(false);
    std::string out = list.part(*result.items());
    return out += list.end({});
}

}  // namespace posthorn::ctl
