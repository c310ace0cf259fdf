// LIST and LSUB over the store's mailboxes.
#include "proto/imap/list.hpp"

#include <algorithm>

#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

std::string_view use_of(store::Role role) {
    switch (role) {
        case store::Role::drafts: return "\\Drafts";
        case store::Role::sent: return "\\Sent";
        case store::Role::junk: return "\\Junk";
        case store::Role::trash: return "\\Trash";
        case store::Role::archive: return "\\Archive";
        case store::Role::all: return "\\All";
        case store::Role::flagged: return "\\Flagged";
        case store::Role::important: return "\\Important";
        case store::Role::none:
        case store::Role::inbox: break;
    }
    return {};
}

}  // namespace

net::Task<Reply> Session::list() {
    const auto command = std::get<List>(machine_.command().what);
    // RFC 9051 §6.3.9: an empty pattern asks for the separator.
    if (!command.extended && command.patterns.front().empty()) {
        out() += command.lsub ? "* LSUB (\\Noselect) \"/\" \"\"\r\n" : "* LIST (\\Noselect) \"/\" \"\"\r\n";
        co_return Reply::ok("Done");
    }
    const auto mailboxes = co_await mail().mailboxes(loop(), account_);
    if (!mailboxes) co_return failed("list", mailboxes.error());
    const auto subscriptions = co_await mail().subscriptions(loop(), account_);
    if (!subscriptions) co_return failed("list", subscriptions.error());
    std::vector<ListEntry> entries;
    for (const auto& box : *mailboxes)
        entries.push_back({.name = box.name, .subscribed = box.subscribed, .use = use_of(box.role)});
    for (const auto& name : *subscriptions) {
        if (std::ranges::find(*mailboxes, name, &store::Mailbox::name) == mailboxes->end())
            entries.push_back({.name = name, .exists = false, .subscribed = true});
    }
    for (const auto& row : list_rows(command, std::move(entries))) {
        put_list_row(out(), command, row, utf8());
        if (command.return_status && row.exists) {
            const auto box = std::ranges::find(*mailboxes, row.name, &store::Mailbox::name);
            if (box != mailboxes->end()) put_status(row.name, *box, *command.return_status);
        }
        if (!co_await flush()) break;
    }
    co_return Reply::ok("Done");
}

}  // namespace posthorn::imap
