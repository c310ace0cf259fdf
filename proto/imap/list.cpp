#include "proto/imap/list.hpp"

#include <algorithm>
#include <map>

#include "base/ascii.hpp"
#include "proto/imap/text.hpp"

namespace posthorn::imap {
namespace {

struct Node {
    ListEntry entry;
    bool matches = false;
    bool chosen = false;  // by the selection options, whether it matches or not
    bool has_children = false;
    bool chosen_below = false;  // something below it is chosen
    bool hidden_below = false;  // so too, and that itself is not told: it does not match
};

std::string fold_inbox(std::string_view name) {
    std::string out(name);
    const auto level = name.substr(0, name.find(kSeparator));
    if (base::iequals(level, "INBOX")) out.replace(0, level.size(), "INBOX");
    return out;
}

std::string_view parent_of(std::string_view name) {
    const auto at = name.rfind(kSeparator);
    return at == std::string_view::npos ? std::string_view{} : name.substr(0, at);
}

using Nodes = std::map<std::string, Node, std::less<>>;

Nodes build(std::vector<ListEntry> entries) {
    Nodes nodes;
    for (auto& entry : entries) {
        auto name = entry.name;
        nodes[std::move(name)].entry = std::move(entry);
    }
    std::vector<std::string> names;
    for (const auto& [name, node] : nodes) names.push_back(name);
    for (const auto& name : names) {
        const bool exists = nodes.find(name)->second.entry.exists;
        for (auto above = parent_of(name); !above.empty(); above = parent_of(above)) {
            auto [at, added] = nodes.try_emplace(std::string(above));
            if (added) at->second.entry = {.name = std::string(above), .exists = false};
            at->second.has_children |= exists;
        }
    }
    return nodes;
}

bool selects(const List& list, const ListEntry& entry) {
    if (list.lsub || list.subscribed) {
        if (!entry.subscribed) return false;
    } else if (!entry.exists && !list.special_use) {
        return true;  // a level with mailboxes below it; held against has_children later
    }
    return !list.special_use || !entry.use.empty();
}

bool told(const List& list, const Node& node) {
    if (!node.matches) return false;
    const bool choosing = list.lsub || list.subscribed || list.special_use;
    if (!choosing) return node.entry.exists || node.has_children;
    if (node.chosen) return true;
    // RFC 3501 §6.3.9: a level of a subscribed name that "%" does not reach. RFC 5258 §3.5: RECURSIVEMATCH.
    return (list.lsub || list.recursive_match) && node.hidden_below;
}

ListRow row_of(const List& list, const Node& node) {
    ListRow row{.name = node.entry.name, .exists = node.entry.exists};
    auto& attributes = row.attributes;
    if (list.lsub) {
        if (!node.chosen) attributes.emplace_back("\\Noselect");
        return row;
    }
    if (!node.entry.exists) attributes.emplace_back("\\NonExistent");
    if (node.entry.subscribed && (list.subscribed || list.return_subscribed))
        attributes.emplace_back("\\Subscribed");
    attributes.emplace_back(node.has_children ? "\\HasChildren" : "\\HasNoChildren");
    if (!node.entry.use.empty()) attributes.push_back(node.entry.use);
    row.child_subscribed = list.recursive_match && list.subscribed && node.chosen_below;
    return row;
}

}  // namespace

bool list_match(std::string_view raw_pattern, std::string_view raw_name) {
    const auto pattern = fold_inbox(raw_pattern);
    const auto name = fold_inbox(raw_name);
    // reach[j]: the pattern so far matches the first j octets of the name.
    std::vector<char> reach(name.size() + 1, 0);
    reach[0] = 1;
    for (const char p : pattern) {
        if (p == '*' || p == '%') {
            for (std::size_t j = 1; j <= name.size(); ++j)
                if (reach[j - 1] != 0 && (p == '*' || name[j - 1] != kSeparator)) reach[j] = 1;
        } else {
            for (std::size_t j = name.size(); j > 0; --j)
                reach[j] = static_cast<char>(reach[j - 1] != 0 && name[j - 1] == p);
            reach[0] = 0;
        }
    }
    return reach[name.size()] != 0;
}

std::vector<ListRow> list_rows(const List& list, std::vector<ListEntry> entries) {
    auto nodes = build(std::move(entries));
    for (auto& [name, node] : nodes) {
        node.matches = std::ranges::any_of(list.patterns, [&, &key = name](const std::string& pattern) {
            return list_match(list.reference + pattern, key);
        });
        node.chosen = selects(list, node.entry);
    }
    for (auto& [name, node] : nodes) {
        if (!node.chosen || (!node.entry.exists && !node.entry.subscribed)) continue;
        for (auto above = parent_of(name); !above.empty(); above = parent_of(above)) {
            auto& upper = nodes.find(above)->second;
            upper.chosen_below = true;
            upper.hidden_below |= !node.matches || list.recursive_match;
        }
    }
    std::vector<ListRow> rows;
    for (const auto& [name, node] : nodes) {
        if (told(list, node)) rows.push_back(row_of(list, node));
    }
    return rows;
}

void put_list_row(std::string& out, const List& list, const ListRow& row, bool utf8) {
    out += list.lsub ? "* LSUB (" : "* LIST (";
    for (std::size_t i = 0; i < row.attributes.size(); ++i) {
        if (i > 0) out += ' ';
        out += row.attributes[i];
    }
    out += ") \"/\" ";
    put_mailbox(out, row.name, utf8);
    if (row.child_subscribed) out += " (\"CHILDINFO\" (\"SUBSCRIBED\"))";
    out += "\r\n";
}

}  // namespace posthorn::imap
