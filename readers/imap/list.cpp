// LIST and LSUB over the store's mailboxes.
#include "proto/imap/list.hpp"

#include <algorithm>

#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

// Octets of patterns held against octets of names before others run: a few milliseconds.
constexpr std::size_t kSlice = 4 << 20;

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
        if (!std::ranges::binary_search(*mailboxes, name, {}, &store::Mailbox::name))
            entries.push_back({.name = name, .exists = false, .subscribed = true});
    }
    ListRun run(command, std::move(entries));
    while (run.match(kSlice)) co_await net::yield(loop());
    for (const auto& row : run.rows()) {
        put_list_row(out(), command, row, utf8());
        if (command.return_status && row.exists) {
            const auto box = std::ranges::lower_bound(*mailboxes, row.name, {}, &store::Mailbox::name);
            if (box != mailboxes->end() && box->name == row.name)
                put_status(row.name, *box, *command.return_status);
        }
        if (!co_await flush()) break;
    }
    co_return Reply::ok("Done");
}

}  // namespace posthorn::imap
