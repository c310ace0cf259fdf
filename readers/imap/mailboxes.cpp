// SELECT and its kin, and the commands that make, name and drop mailboxes.
#include <algorithm>

#include "base/ascii.hpp"
#include "proto/imap/text.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

std::string canonical(std::string name) {
    if (name.size() > 1 && name.ends_with(store::kSeparator)) name.pop_back();  // RFC 9051 §6.3.4
    if (auto known = store::mailbox_name(name)) return std::move(*known);
    return name;
}

std::optional<store::Role> role_of(std::string_view use) { return store::parse_role(base::lower(use.substr(1))); }

}  // namespace

// RFC 9051 §6.3.2, RFC 7162 §3.2.5
net::Task<Reply> Session::select() {
    const auto command = std::get<Select>(machine_.command().what);
    // A BAD changes nothing: what was selected stays so.
    if (command.qresync && !machine_.enabled().qresync) co_return Reply::bad("Enable QRESYNC first");
    if (selected_) {
        selected_.reset();
        out() += "* OK [CLOSED] The other mailbox is closed\r\n";  // RFC 7162 §3.2.11
    }
    if (command.condstore) machine_.enable_condstore();
    const auto found = co_await mail().mailbox(loop(), account_, canonical(command.mailbox));
    if (!found) co_return failed("select", found.error());
    watch();
    news_ = false;
    const auto snapshot = co_await mail().snapshot(loop(), account_, found->id);
    if (!snapshot) co_return failed("select", snapshot.error());
    const auto& mailbox = snapshot->mailbox;
    auto& box = selected_.emplace();
    box = {.id = mailbox.id,
           .name = mailbox.name,
           .read_only = command.examine,
           .uid_validity = mailbox.uid_validity,
           .modseq = mailbox.highest_modseq,
           .keywords = snapshot->keywords};
    NumberSet uids;
    std::uint32_t unseen = 0;
    for (std::size_t i = 0; i < snapshot->entries.size(); ++i) {
        uids.add(snapshot->entries[i].uid);
        if (unseen == 0 && (snapshot->entries[i].flags & flag::seen) == 0)
            unseen = static_cast<std::uint32_t>(i + 1);
    }
    box.view.reset(uids);
    const auto line = [this](std::string_view before, std::uint64_t number, std::string_view after) {
        out() += before;
        put_number(out(), number);
        out() += after;
    };
    put_keywords(out());
    line("* ", box.view.size(), " EXISTS\r\n");
    if (!machine_.enabled().rev2) {
        out() += "* 0 RECENT\r\n";
        if (unseen != 0) line("* OK [UNSEEN ", unseen, "] The first of them\r\n");
    }
    line("* OK [UIDVALIDITY ", mailbox.uid_validity, "] UIDs hold\r\n");
    line("* OK [UIDNEXT ", mailbox.uid_next, "] The next UID\r\n");
    line("* OK [HIGHESTMODSEQ ", std::max<std::uint64_t>(mailbox.highest_modseq, 1), "] The highest\r\n");
    line("* OK [MAILBOXID (F", mailbox.id, ")] Its id\r\n");  // RFC 8474
    if (machine_.enabled().rev2) {
        out() += "* LIST () \"/\" ";
        put_mailbox(out(), mailbox.name, true);
        out() += "\r\n";
    }
    if (command.qresync) co_await resynchronise(*command.qresync, *snapshot);
    co_return Reply::ok("Selected", command.examine ? "READ-ONLY" : "READ-WRITE");
}

// RFC 7162 §3.2.5.1: what vanished among the UIDs the client knows, and what has other flags.
net::Task<> Session::resynchronise(const Qresync& qresync, const store::Snapshot& snapshot) {
    auto& box = *selected_;
    if (qresync.uid_validity != box.uid_validity) co_return;
    const auto known = qresync.known ? qresync.known->resolve(0) : NumberSet{};
    NumberSet vanished;
    const auto changes = co_await mail().changes(loop(), account_, box.scope(), qresync.modseq);
    if (changes && !changes->too_old) {
        vanished = from_store(changes->vanished);
        if (qresync.known) vanished = vanished.common(known);
    } else {
        if (qresync.known) {
            vanished = known;
        } else if (snapshot.mailbox.uid_next > 1) {
            vanished.add(1, snapshot.mailbox.uid_next - 1);
        }
        for (const auto& range : box.view.all().ranges()) vanished.remove(range.first, range.last);
    }
    if (!vanished.empty()) out() += "* VANISHED (EARLIER) " + vanished.text() + "\r\n";
    for (const auto& entry : snapshot.entries) {
        if (entry.modseq <= qresync.modseq || (qresync.known && !known.contains(entry.uid))) continue;
        put_fetch_flags(out(), entry, true);
        if (!co_await flush()) co_return;
    }
}

net::Task<Reply> Session::close_mailbox(bool expunge) {
    const auto scope = selected_->scope();
    const bool read_only = selected_->read_only;
    if (expunge && !read_only) {  // RFC 9051 §6.4.1
        const auto done = co_await mail().expunge(loop(), account_, scope, store::UidSet::all(), true);
        if (!done && !store::is_missing(done.error())) co_return failed("close", done.error());
    }
    selected_.reset();
    subscription_.reset();
    co_return Reply::ok("Closed");
}

// RFC 9051 §6.3.4, RFC 6154 §3
net::Task<Reply> Session::create() {
    const auto command = std::get<Create>(machine_.command().what);
    auto role = store::Role::none;
    for (const auto& use : command.uses) {
        const auto known = role_of(use);
        if (!known || *known == store::Role::inbox || role != store::Role::none)
            co_return Reply::no("Not for that use", "USEATTR");
        role = *known;
    }
    const auto made = co_await mail().create_mailbox(loop(), account_, canonical(command.mailbox), role);
    if (!made) co_return failed("create", made.error());
    co_return Reply::ok("Created", "MAILBOXID (F" + std::to_string(made->id) + ")");
}

net::Task<Reply> Session::remove() {
    const auto command = std::get<Delete>(machine_.command().what);
    const auto done = co_await mail().remove_mailbox(loop(), account_, canonical(command.mailbox));
    if (!done) co_return failed("delete", done.error());
    news_ = true;
    co_return Reply::ok("Deleted");
}

net::Task<Reply> Session::rename() {
    const auto command = std::get<Rename>(machine_.command().what);
    const auto done =
        co_await mail().rename_mailbox(loop(), account_, canonical(command.from), canonical(command.to));
    if (!done) co_return failed("rename", done.error());
    news_ = true;
    co_return Reply::ok("Renamed");
}

net::Task<Reply> Session::subscribe() {
    const auto command = std::get<Subscribe>(machine_.command().what);
    const auto done = co_await mail().subscribe(loop(), account_, canonical(command.mailbox), command.on);
    if (!done) co_return failed("subscribe", done.error());
    co_return Reply::ok("Done");
}

net::Task<Reply> Session::status() {
    const auto command = std::get<Status>(machine_.command().what);
    const auto found = co_await mail().mailbox(loop(), account_, canonical(command.mailbox));
    if (!found) co_return failed("status", found.error());
    put_status(command.mailbox, *found, command.items);
    co_return Reply::ok("Done");
}

void Session::put_status(const std::string& name, const store::Mailbox& mailbox,
                         const std::vector<StatusItem>& items) {
    out() += "* STATUS ";
    put_mailbox(out(), name, utf8());
    out() += " (";
    bool first = true;
    const auto put = [&](std::string_view item, std::uint64_t number) {
        if (!first) out() += ' ';
        first = false;
        out() += item;
        put_number(out(), number);
    };
    for (const auto item : items) {
        switch (item) {
            case StatusItem::messages: put("MESSAGES ", mailbox.messages); break;
            case StatusItem::uid_next: put("UIDNEXT ", mailbox.uid_next); break;
            case StatusItem::uid_validity: put("UIDVALIDITY ", mailbox.uid_validity); break;
            case StatusItem::unseen: put("UNSEEN ", mailbox.unseen); break;
            case StatusItem::deleted: put("DELETED ", mailbox.deleted); break;
            case StatusItem::size: put("SIZE ", mailbox.bytes); break;
            case StatusItem::recent: put("RECENT ", 0); break;
            case StatusItem::highest_modseq:
                machine_.enable_condstore();  // RFC 7162 §3.1
                put("HIGHESTMODSEQ ", std::max<std::uint64_t>(mailbox.highest_modseq, 1));
                break;
            case StatusItem::append_limit: put("APPENDLIMIT ", limits().append_limit); break;
            case StatusItem::mailbox_id:
                put("MAILBOXID (F", mailbox.id);
                out() += ')';
                break;
            case StatusItem::deleted_storage: break;  // RFC 9208 §4.1.4: not offered
        }
    }
    out() += ")\r\n";
}

// RFC 9208: one root, "", for the whole account.
net::Task<Reply> Session::get_quota(bool root) {
    if (root) {
        const auto command = std::get<GetQuotaRoot>(machine_.command().what);
        out() += "* QUOTAROOT ";
        put_mailbox(out(), command.mailbox, utf8());
        out() += " \"\"\r\n";
    } else if (!std::get<GetQuota>(machine_.command().what).root.empty()) {
        co_return Reply::no("There is no such quota root", "NONEXISTENT");
    }
    const auto state = co_await mail().state(loop(), account_);
    if (!state) co_return failed("quota", state.error());
    out() += "* QUOTA \"\" (";
    if (quota_.bytes != 0) {
        out() += "STORAGE " + std::to_string((state->bytes + 1023) / 1024) + ' ' +
                 std::to_string(quota_.bytes / 1024) + (quota_.messages != 0 ? " " : "");
    }
    if (quota_.messages != 0)
        out() += "MESSAGE " + std::to_string(state->messages) + ' ' + std::to_string(quota_.messages);
    out() += ")\r\n";
    co_return Reply::ok("Done");
}

}  // namespace posthorn::imap
