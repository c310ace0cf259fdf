#include "proto/imap/thread.hpp"

#include <algorithm>
#include <functional>

#include "proto/imap/text.hpp"

namespace posthorn::imap {

Threader::Index Threader::add_dummy() {
    nodes_.emplace_back();
    return static_cast<Index>(nodes_.size() - 1);
}

// The node of a message id, made where there is none; none where strangers are too many to be kept.
Threader::Index Threader::find(const std::string& id) {
    const auto hash = std::hash<std::string>{}(id);
    if (const auto known = ids_.find(hash); known != ids_.end()) return known->second;
    if (nodes_.size() > 5 * messages_ + 1000) return kNone;
    const auto made = add_dummy();
    ids_.emplace(hash, made);
    return made;
}

// Of a message: a second one of the same id has a node of its own (RFC 5256 §3, step 1).
Threader::Index Threader::own_node(const std::string& id) {
    if (id.empty()) return add_dummy();
    const auto [known, fresh] = ids_.try_emplace(std::hash<std::string>{}(id), kNone);
    if (fresh) return known->second = add_dummy();
    return dummy(known->second) ? known->second : add_dummy();
}

bool Threader::would_loop(Index parent, Index child) const {
    std::size_t steps = 0;
    for (auto at = parent; at != kNone; at = nodes_[at].parent) {
        if (at == child || ++steps > kMaxWalk) return true;
    }
    return false;
}

void Threader::add(const ThreadMessage& message) {
    ++messages_;
    auto last = kNone;
    if (algorithm_ == Algorithm::references) {
        // Step 1.A: each the parent of the next one, where that has none.
        for (const auto& id : message.references) {
            const auto known = nodes_.size();
            const auto node = find(id);
            if (node == kNone) continue;
            const bool made = nodes_.size() > known;
            if (last != kNone && nodes_[node].parent == kNone && (made || !would_loop(last, node)))
                nodes_[node].parent = last;
            last = node;
        }
    }
    const auto before = nodes_.size();
    const auto own = own_node(message.message_id);
    const bool fresh = nodes_.size() > before;
    auto& node = nodes_[own];
    node.number = message.number;
    node.sent = message.sent;
    node.answer = message.answer;
    node.subject = message.subject.empty() ? 0 : std::hash<std::string>{}(message.subject) | 1U;
    if (algorithm_ == Algorithm::ordered_subject) return;
    // Step 1.B: the last reference is the parent, whatever others said.
    if (last == node.parent) return;
    node.parent = kNone;
    if (last != kNone && (fresh || !would_loop(last, own))) node.parent = last;
}

bool Threader::step() {
    switch (stage_++) {
        case 0:
            ids_ = {};
            order();
            return true;
        case 1: algorithm_ == Algorithm::references ? prune() : by_subject(); return true;
        case 2: children(); return true;
        case 3:
            if (algorithm_ == Algorithm::ordered_subject) return false;
            gather_subjects();
            return true;
        default: children(); return false;
    }
}

void Threader::order() {
    for (Index i = 0; i < nodes_.size(); ++i) {
        if (!dummy(i)) order_.push_back(i);
    }
    std::ranges::sort(order_, {}, [this](Index i) { return std::pair(nodes_[i].sent, nodes_[i].number); });
}

// Step 3: dummies go, but for those at the top that hold more than one. What is below one belongs to the next message
// above it, or to the topmost dummy.
void Threader::prune() {
    std::vector<Index> home(nodes_.size(), kNone);  // of a dummy: what holds its children
    std::vector<Index> path;
    for (const auto i : order_) {
        path.clear();
        auto at = nodes_[i].parent;
        auto holder = kNone;
        while (at != kNone) {
            holder = at;
            if (!dummy(at)) break;
            if (home[at] != kNone) {
                holder = home[at];
                break;
            }
            path.push_back(at);
            at = nodes_[at].parent;
        }
        for (const auto passed : path) home[passed] = holder;
        // Messages above are unchanged: only links past dummies are shortened.
        nodes_[i].parent = holder;
    }
    std::vector<std::uint32_t> held(nodes_.size(), 0);
    for (const auto i : order_) {
        if (nodes_[i].parent != kNone) ++held[nodes_[i].parent];
    }
    for (Index i = 0; i < nodes_.size(); ++i) {
        if (dummy(i)) nodes_[i].parent = kNone;
    }
    for (const auto i : order_) {
        const auto parent = nodes_[i].parent;
        if (parent != kNone && dummy(parent) && held[parent] == 1) nodes_[i].parent = kNone;
    }
}

// All messages of a subject are the first one's children.
void Threader::by_subject() {
    std::unordered_map<std::uint64_t, Index> first;
    for (const auto i : order_) {
        const auto [known, fresh] = first.try_emplace(nodes_[i].subject, i);
        if (!fresh) nodes_[i].parent = known->second;
    }
}

// Lists of children and of roots, each by sent date; a dummy stands where its first child would.
void Threader::children() {
    for (auto& node : nodes_) node.first = node.last = node.next = kNone;
    roots_.clear();
    for (const auto i : order_) {
        const auto parent = nodes_[i].parent;
        if (parent == kNone) {
            roots_.push_back(i);
            continue;
        }
        if (nodes_[parent].first == kNone && dummy(parent)) roots_.push_back(parent);
        give(parent, i);
    }
}

void Threader::give(Index parent, Index child) {
    auto& above = nodes_[parent];
    (above.first == kNone ? above.first : nodes_[above.last].next) = child;
    above.last = child;
}

void Threader::gather_subjects() {
    std::unordered_map<std::uint64_t, Index> table;
    for (const auto root : roots_) {  // 5.B
        const auto subject = nodes_[lead(root)].subject;
        if (subject == 0) continue;
        auto& known = table.try_emplace(subject, root).first->second;
        if (dummy(known)) continue;
        if (dummy(root) || (nodes_[known].answer && !nodes_[root].answer)) known = root;
    }
    const auto all = roots_;
    for (const auto root : all) {  // 5.C
        const auto subject = nodes_[lead(root)].subject;
        if (subject == 0 || nodes_[root].parent != kNone) continue;
        auto& known = table.at(subject);
        if (known != root) merge(known, root);
    }
}

// Only parents are set: children() makes the lists of them.
void Threader::merge(Index& known, Index current) {
    if (dummy(current)) {  // then the known one is a dummy, too
        for (auto child = nodes_[current].first; child != kNone; child = nodes_[child].next)
            nodes_[child].parent = known;
        return;
    }
    if (dummy(known) || (nodes_[current].answer && !nodes_[known].answer)) {
        nodes_[current].parent = known;
        return;
    }
    const auto both = add_dummy();
    nodes_[both].first = known;  // whose subject it has
    nodes_[known].parent = nodes_[current].parent = both;
    known = both;
}

bool Threader::put(std::string& out, std::size_t size) {
    while (out.size() < size) {
        if (words_.empty()) {
            if (at_ == roots_.size()) return false;
            words_.push_back({Word::Kind::open, roots_[at_++]});
        }
        const auto word = words_.back();
        words_.pop_back();
        if (word.kind == Word::Kind::close) {
            out += ')';
            continue;
        }
        if (word.kind == Word::Kind::open) words_.push_back({Word::Kind::close});
        out += word.kind == Word::Kind::open ? '(' : ' ';
        const auto& node = nodes_[word.node];
        if (node.number != 0) put_number(out, node.number);
        if (node.first == node.last) {
            if (node.first != kNone) words_.push_back({Word::Kind::member, node.first});
            continue;
        }
        if (node.number != 0) out += ' ';
        const auto begin = words_.size();
        for (auto child = node.first; child != kNone; child = nodes_[child].next)
            words_.push_back({Word::Kind::open, child});
        std::reverse(words_.begin() + static_cast<std::ptrdiff_t>(begin), words_.end());
    }
    return true;
}

}  // namespace posthorn::imap
