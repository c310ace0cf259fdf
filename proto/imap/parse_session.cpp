// Commands about the session itself: who is there, and what it may do.
#include "base/ascii.hpp"
#include "proto/imap/limits.hpp"
#include "proto/imap/parser.hpp"

namespace posthorn::imap::detail {

Body parse_authenticate(Scanner& s) {
    Authenticate command;
    s.space();
    command.mechanism = s.word();
    if (s.eat(' ')) {  // RFC 4959; "=" is an empty one
        const auto initial = s.take_rest();
        command.initial = initial == "=" ? std::string() : std::string(initial);
    }
    return command;
}

Body parse_login(Scanner& s) {
    Login command;
    s.space();
    command.user = s.astring();
    s.space();
    command.password = s.astring();
    return command;
}

Body parse_enable(Scanner& s) {
    Enable command;
    do {
        s.space();
        command.names.push_back(s.word());
    } while (s.ok() && !s.at_end());
    return command;
}

Body parse_id(Scanner& s) {
    Id command;
    s.space();
    if (s.eat_word("NIL")) return command;
    s.expect('(');
    if (s.eat(')')) return command;
    do {
        auto name = s.string();
        s.space();
        command.fields.emplace_back(std::move(name), s.nstring());
        if (command.fields.size() > Limits::id_pairs) s.fail("Too many fields");
    } while (s.ok() && s.eat(' '));
    s.expect(')');
    return command;
}

Body parse_compress(Scanner& s) {
    s.space();
    if (!base::iequals(s.atom(), "DEFLATE")) s.fail("There is no such compression");
    return Compress{};
}

Body parse_set_quota(Scanner& s) {
    SetQuota command;
    s.space();
    command.root = s.astring();
    s.space();
    s.expect('(');
    if (s.eat(')')) return command;
    do {
        auto name = s.word();
        s.space();
        command.limits.emplace_back(std::move(name), s.number64());
    } while (s.ok() && s.eat(' '));
    s.expect(')');
    return command;
}

namespace {

// "/private/comment" (RFC 5464 §3.2)
std::string entry(Scanner& s) {
    auto name = s.astring();
    if (!name.starts_with('/')) s.fail("An entry begins with a slash");
    return name;
}

void metadata_option(Scanner& s, GetMetadata& command) {
    const auto name = s.word();
    s.space();
    if (name == "MAXSIZE") {
        command.max_size = s.number64();
    } else if (name == "DEPTH") {
        if (s.eat_word("infinity")) {
            command.depth = 2;
        } else {
            command.depth = s.number();
            if (*command.depth > 1) s.fail("DEPTH is 0, 1 or infinity");
        }
    } else {
        s.fail("There is no such option");
    }
}

}  // namespace

Body parse_get_metadata(Scanner& s) {
    GetMetadata command;
    s.space();
    const auto options = [&] {
        s.expect('(');
        do metadata_option(s, command);
        while (s.ok() && s.eat(' '));
        s.expect(')');
        s.space();
    };
    if (s.peek() == '(') options();
    command.mailbox = s.mailbox();
    s.space();
    if (!s.eat('(')) {
        command.entries.push_back(entry(s));
        return command;
    }
    do command.entries.push_back(entry(s));
    while (s.ok() && s.eat(' '));
    s.expect(')');
    return command;
}

Body parse_set_metadata(Scanner& s) {
    SetMetadata command;
    s.space();
    command.mailbox = s.mailbox();
    s.space();
    s.expect('(');
    do {
        auto name = entry(s);
        s.space();
        command.entries.emplace_back(std::move(name), s.nstring());
    } while (s.ok() && s.eat(' '));
    s.expect(')');
    return command;
}

namespace {

void notify_which(Scanner& s, NotifyGroup& group) {
    using Which = NotifyGroup::Which;
    const auto name = s.word();
    if (name == "SELECTED") {
        group.which = Which::selected;
    } else if (name == "SELECTED-DELAYED") {
        group.which = Which::selected_delayed;
    } else if (name == "INBOXES") {
        group.which = Which::inboxes;
    } else if (name == "PERSONAL") {
        group.which = Which::personal;
    } else if (name == "SUBSCRIBED") {
        group.which = Which::subscribed;
    } else if (name == "SUBTREE" || name == "MAILBOXES") {
        group.which = name == "SUBTREE" ? Which::subtree : Which::mailboxes;
        s.space();
        if (!s.eat('(')) {
            group.mailboxes.push_back(s.mailbox());
            return;
        }
        do group.mailboxes.push_back(s.mailbox());
        while (s.ok() && s.eat(' '));
        s.expect(')');
    } else {
        s.fail("There is no such set of mailboxes");
    }
}

// RFC 5465 §6: "(" group SP ( "NONE" / "(" event ... ")" ) ")"
NotifyGroup notify_group(Scanner& s) {
    NotifyGroup group;
    s.expect('(');
    notify_which(s, group);
    s.space();
    if (!s.eat_word("NONE")) {
        s.expect('(');
        do {
            if (s.peek() == '(') {
                if (group.events.empty() || group.events.back() != "MESSAGENEW")
                    s.fail("Items belong to MessageNew");
                group.fetch = parse_fetch_items(s);
            } else {
                group.events.push_back(s.word());
            }
        } while (s.ok() && s.eat(' '));
        s.expect(')');
    }
    s.expect(')');
    return group;
}

}  // namespace

Body parse_notify(Scanner& s) {
    Notify command;
    s.space();
    if (s.eat_word("NONE")) {
        command.none = true;
        return command;
    }
    if (!s.eat_word("SET")) s.fail("Expected SET or NONE");
    s.space();
    if (s.eat_word("STATUS")) {
        command.status = true;
        s.space();
    }
    do command.groups.push_back(notify_group(s));
    while (s.ok() && s.eat(' '));
    return command;
}

}  // namespace posthorn::imap::detail
