// Commands about mailboxes.
#include <algorithm>
#include <array>

#include "base/ascii.hpp"
#include "proto/imap/limits.hpp"
#include "proto/imap/parser.hpp"

namespace posthorn::imap::detail {
namespace {

// RFC 7162 §3.2.5.2: "QRESYNC (uidvalidity modseq [known-uids] [(numbers uids)])"
Qresync parse_qresync(Scanner& s) {
    Qresync out;
    s.space();
    s.expect('(');
    out.uid_validity = s.nz_number();
    s.space();
    out.modseq = s.modseq();
    if (s.eat(' ') && s.peek() != '(') {
        out.known = s.sequence_set();
        if (out.known->has_star() || out.known->saved) s.fail("No * and no $ here");
        if (!s.eat(' ')) {
            s.expect(')');
            return out;
        }
    }
    if (s.eat('(')) {
        auto numbers = s.sequence_set();
        s.space();
        auto uids = s.sequence_set();
        s.expect(')');
        if (numbers.has_star() || uids.has_star() || numbers.saved || uids.saved) s.fail("No * and no $ here");
        out.matches.emplace(std::move(numbers), std::move(uids));
    }
    s.expect(')');
    return out;
}

Select parse_selection(Scanner& s, bool examine) {
    Select command{.examine = examine};
    s.space();
    command.mailbox = s.mailbox();
    if (!s.eat(' ')) return command;
    s.expect('(');
    do {
        const auto name = s.word();
        if (name == "CONDSTORE") {
            command.condstore = true;
        } else if (name == "QRESYNC") {
            command.qresync = parse_qresync(s);
        } else {
            s.fail("There is no such parameter");
        }
    } while (s.ok() && s.eat(' '));
    s.expect(')');
    return command;
}

constexpr auto kStatusItems = std::to_array<std::pair<std::string_view, StatusItem>>({
    {"MESSAGES", StatusItem::messages},
    {"UIDNEXT", StatusItem::uid_next},
    {"UIDVALIDITY", StatusItem::uid_validity},
    {"UNSEEN", StatusItem::unseen},
    {"DELETED", StatusItem::deleted},
    {"SIZE", StatusItem::size},
    {"RECENT", StatusItem::recent},
    {"HIGHESTMODSEQ", StatusItem::highest_modseq},
    {"APPENDLIMIT", StatusItem::append_limit},
    {"MAILBOXID", StatusItem::mailbox_id},
    {"DELETED-STORAGE", StatusItem::deleted_storage},
});

void select_option(Scanner& s, List& list) {
    const auto name = s.word();
    if (name == "SUBSCRIBED") {
        list.subscribed = true;
    } else if (name == "REMOTE") {
        list.remote = true;
    } else if (name == "RECURSIVEMATCH") {
        list.recursive_match = true;
    } else if (name == "SPECIAL-USE") {
        list.special_use = true;
    } else {
        s.fail("There is no such selection option");
    }
}

void return_option(Scanner& s, List& list) {
    const auto name = s.word();
    if (name == "SUBSCRIBED") {
        list.return_subscribed = true;
    } else if (name == "CHILDREN") {
        list.return_children = true;
    } else if (name == "SPECIAL-USE") {
        list.return_special_use = true;
    } else if (name == "MYRIGHTS") {
        list.return_my_rights = true;
    } else if (name == "STATUS") {
        s.space();
        list.return_status = parse_status_items(s);
    } else {
        s.fail("There is no such return option");
    }
}

void options(Scanner& s, List& list, void (*one)(Scanner&, List&)) {
    list.extended = true;
    s.expect('(');
    if (s.eat(')')) return;
    do one(s, list);
    while (s.ok() && s.eat(' '));
    s.expect(')');
}

}  // namespace

Body parse_select(Scanner& s) { return parse_selection(s, false); }
Body parse_examine(Scanner& s) { return parse_selection(s, true); }

Body parse_create(Scanner& s) {
    Create command;
    s.space();
    command.mailbox = s.mailbox();
    if (!s.eat(' ')) return command;
    s.expect('(');
    if (s.word() != "USE") s.fail("There is no such parameter");
    s.space();
    s.expect('(');
    if (!s.eat(')')) {
        do {
            s.expect('\\');
            command.uses.push_back('\\' + std::string(s.atom()));
        } while (s.ok() && s.eat(' '));
        s.expect(')');
    }
    s.expect(')');
    return command;
}

Body parse_rename(Scanner& s) {
    Rename command;
    s.space();
    command.from = s.mailbox();
    s.space();
    command.to = s.mailbox();
    return command;
}

std::vector<StatusItem> parse_status_items(Scanner& s) {
    std::vector<StatusItem> items;
    s.expect('(');
    do {
        const auto name = s.word();
        bool known = false;
        for (const auto& [text, item] : kStatusItems) {
            if (text != name) continue;
            if (std::ranges::find(items, item) == items.end()) items.push_back(item);
            known = true;
        }
        if (!known) s.fail("There is no such status item");
    } while (s.ok() && s.eat(' '));
    s.expect(')');
    return items;
}

Body parse_status(Scanner& s) {
    Status command;
    s.space();
    command.mailbox = s.mailbox();
    s.space();
    command.items = parse_status_items(s);
    return command;
}

// RFC 9051 §6.3.9, RFC 5258 §3
Body parse_list(Scanner& s) {
    List list;
    s.space();
    if (s.peek() == '(') {
        options(s, list, select_option);
        s.space();
    }
    list.reference = s.mailbox();
    s.space();
    if (s.eat('(')) {
        list.extended = true;
        do list.patterns.push_back(s.list_pattern());
        while (s.ok() && list.patterns.size() < Limits::list_patterns && s.eat(' '));
        s.expect(')');
    } else {
        list.patterns.push_back(s.list_pattern());
    }
    if (s.eat(' ')) {
        if (!s.eat_word("RETURN")) s.fail("Expected RETURN");
        s.space();
        options(s, list, return_option);
    }
    // RFC 5258 §3.1: it chooses nothing by itself.
    if (list.recursive_match && !list.subscribed && !list.special_use) s.fail("RECURSIVEMATCH of what?");
    return list;
}

Body parse_lsub(Scanner& s) {
    List list{.lsub = true};
    s.space();
    list.reference = s.mailbox();
    s.space();
    list.patterns.push_back(s.list_pattern());
    return list;
}

}  // namespace posthorn::imap::detail
