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

namespace {

// `*` beside another wildcard means no more than alone; INBOX in any case.
std::string plain_pattern(std::string_view pattern) {
    std::string out;
    for (const char c : fold_inbox(pattern)) {
        const bool wild = c == '*' || c == '%';
        if (wild && !out.empty() && (out.back() == c || out.back() == '*')) continue;
        if (c == '*' && out.ends_with('%')) out.pop_back();
        out += c;
    }
    return out;
}

bool match_plain(std::string_view pattern, std::string_view name) {
    // reach[j]: the pattern so far matches the first j octets of the name.
    std::vector<char> reach(name.size() + 1, 0);
    reach[0] = 1;
    for (const char p : pattern) {
        if (p == '*' || p == '%') {
            for (std::size_t j = 1; j <= name.size(); ++j)
                if (reach[j - 1] != 0 && (p == '*' || name[j - 1] != kSeparator)) reach[j] = 1;
            continue;
        }
        bool some = false;
        for (std::size_t j = name.size(); j > 0; --j) {
            reach[j] = static_cast<char>(reach[j - 1] != 0 && name[j - 1] == p);
            some |= reach[j] != 0;
        }
        reach[0] = 0;
        if (!some) return false;
    }
    return reach[name.size()] != 0;
}

struct Pattern {
    std::string text;
    std::size_t octets = 0;  // that are no wildcards: a shorter name cannot match
};

}  // namespace

bool list_match(std::string_view pattern, std::string_view name) {
    return match_plain(plain_pattern(pattern), fold_inbox(name));
}

struct ListRun::State {
    List list;
    Nodes nodes;
    std::vector<Pattern> patterns;
    Nodes::iterator at;
    std::size_t pattern = 0;  // the next one for `at`
};

ListRun::ListRun(const List& list, std::vector<ListEntry> entries) : state_(std::make_unique<State>()) {
    state_->list = list;
    state_->nodes = build(std::move(entries));
    for (const auto& text : list.patterns) {
        Pattern pattern{plain_pattern(list.reference + text)};
        pattern.octets = static_cast<std::size_t>(
            std::ranges::count_if(pattern.text, [](char c) { return c != '*' && c != '%'; }));
        state_->patterns.push_back(std::move(pattern));
    }
    state_->at = state_->nodes.begin();
}

ListRun::~ListRun() = default;

bool ListRun::match(std::size_t octets) {
    auto& s = *state_;
    std::size_t spent = 0;
    while (s.at != s.nodes.end() && spent < octets) {
        const auto name = fold_inbox(s.at->first);
        auto& node = s.at->second;
        while (!node.matches && s.pattern < s.patterns.size() && spent < octets) {
            const auto& pattern = s.patterns[s.pattern++];
            spent += 16;
            if (pattern.octets > name.size()) continue;
            spent += pattern.text.size() * name.size();
            node.matches = match_plain(pattern.text, name);
        }
        if (!node.matches && s.pattern < s.patterns.size()) break;
        node.chosen = selects(s.list, node.entry);
        ++s.at;
        s.pattern = 0;
    }
    return s.at != s.nodes.end();
}

std::vector<ListRow> ListRun::rows() const {
    auto& nodes = state_->nodes;
    const auto& list = state_->list;
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

std::vector<ListRow> list_rows(const List& list, std::vector<ListEntry> entries) {
    ListRun run(list, std::move(entries));
    while (run.match(1 << 20)) {
    }
    return run.rows();
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
