// Which function runs which command, and what the store's errors are to the client (RFC 5530).
#include <algorithm>
#include <cerrno>

#include "base/log.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {

static_assert(flag::seen == store::flag::seen && flag::answered == store::flag::answered &&
              flag::flagged == store::flag::flagged && flag::deleted == store::flag::deleted &&
              flag::draft == store::flag::draft && store::flag::first_keyword == 5);

store::UidSet to_store(const NumberSet& set) {
    store::UidSet out;
    for (const auto& range : set.ranges()) out.add(range.first, range.last);
    return out;
}

NumberSet from_store(const store::UidSet& set) {
    NumberSet out;
    for (const auto& range : set.ranges()) {
        if (range.first > UINT32_MAX) break;
        out.add(static_cast<std::uint32_t>(range.first),
                static_cast<std::uint32_t>(std::min<std::uint64_t>(range.last, UINT32_MAX)));
    }
    return out;
}

NumberSet next_batch(const NumberSet& set, std::uint32_t& at, std::size_t count) {
    NumberSet out;
    std::uint64_t left = count;
    for (const auto& range : set.ranges()) {
        if (left == 0) break;
        if (range.last <= at) continue;
        const auto first = std::max(range.first, at + 1);
        const auto last = static_cast<std::uint32_t>(std::min<std::uint64_t>(range.last, first + left - 1));
        out.add(first, last);
        left -= std::uint64_t{last} - first + 1;
        at = last;
    }
    return out;
}

std::optional<store::Quota> Session::quota() const {
    if (quota_.bytes == 0 && quota_.messages == 0) return std::nullopt;
    return store::Quota{.bytes = quota_.bytes, .messages = quota_.messages};
}

Reply Session::failed(std::string_view what, const base::Error& error) {
    if (error.kind == base::ErrorKind::permanent) {
        switch (error.code) {
            case ENOENT: return Reply::no("There is no such mailbox", "NONEXISTENT");
            case EEXIST: return Reply::no("That name is taken", "ALREADYEXISTS");
            case EINVAL: return Reply::no("No mailbox can have that name", "CANNOT");
            case EPERM: return Reply::no("That cannot be done with INBOX", "CANNOT");
            case EDQUOT: return Reply::no("The quota is used up", "OVERQUOTA");
            case ENOSPC: return Reply::no("There are too many", "LIMIT");
            case ESTALE:  // UIDVALIDITY cannot change under a session (RFC 9051 §2.3.1.1): it ends
                machine_.dismiss("The mailbox was put back from a copy, connect again", "mailbox replaced");
                return Reply::no("Not done: the mailbox was put back from a copy");
            default: break;
        }
    }
    base::log::warning(
        "imap.store_failed",
        {{"session_id", id_}, {"account", account_.text()}, {"operation", what}, {"error", error.log_text}});
    return Reply::no("Cannot do that now, try again later",
                     error.kind == base::ErrorKind::temporary ? "UNAVAILABLE" : "SERVERBUG");
}

std::expected<NumberSet, Reply> Session::named(const SequenceSet& set, bool uid) const {
    const auto& view = selected_->view;
    if (set.saved) return view.there(selected_->saved);
    if (uid) return view.there(set.resolve(view.largest_uid()));
    const auto numbers = set.resolve(view.size());
    // RFC 9051 §9, seq-number
    const bool none = set.has_star() && view.size() == 0;
    if (none || (!numbers.empty() && numbers.last() > view.size()))
        return std::unexpected(Reply::bad("There is no message of that number"));
    return view.uids_of(numbers);
}

net::Task<> Session::run_command() {
    ++commands_;
    worker_.shared.counters.commands.add();
    auto reply = co_await dispatch();
    machine_.on_done(std::move(reply));
}

// Changes are told before the tagged reply; message numbers may change but in FETCH, STORE and SEARCH (RFC 9051 §7.5.1).
net::Task<Reply> Session::dispatch() {
    const auto& what = machine_.command().what;
    const bool by_number =
        !uid_command() && (std::holds_alternative<Fetch>(what) || std::holds_alternative<Store>(what) ||
                           std::holds_alternative<Search>(what) || std::holds_alternative<Sort>(what) ||
                           std::holds_alternative<Thread>(what));
    Reply reply = Reply::no("This server does not do that", "CANNOT");
    if (std::holds_alternative<Noop>(what) || std::holds_alternative<Check>(what)) {
        reply = Reply::ok("Done");
    } else if (std::holds_alternative<Fetch>(what)) {
        reply = co_await fetch();
    } else if (std::holds_alternative<Store>(what)) {
        reply = co_await store_flags();
    } else if (std::holds_alternative<Search>(what)) {
        reply = co_await search();
    } else if (std::holds_alternative<Sort>(what)) {
        reply = co_await sort();
    } else if (std::holds_alternative<Thread>(what)) {
        reply = co_await thread();
    } else if (std::holds_alternative<Copy>(what)) {
        reply = co_await copy();
    } else if (std::holds_alternative<Expunge>(what)) {
        reply = co_await expunge();
    } else if (std::holds_alternative<Select>(what)) {
        co_return co_await select();
    } else if (std::holds_alternative<Close>(what)) {
        co_return co_await close_mailbox(true);
    } else if (std::holds_alternative<Unselect>(what)) {
        co_return co_await close_mailbox(false);
    } else if (std::holds_alternative<Status>(what)) {
        reply = co_await status();
    } else if (std::holds_alternative<List>(what)) {
        reply = co_await list();
    } else if (std::holds_alternative<Create>(what)) {
        reply = co_await create();
    } else if (std::holds_alternative<Delete>(what)) {
        reply = co_await remove();
    } else if (std::holds_alternative<Rename>(what)) {
        reply = co_await rename();
    } else if (std::holds_alternative<Subscribe>(what)) {
        reply = co_await subscribe();
    } else if (std::holds_alternative<Namespace>(what)) {
        out() += "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n";
        reply = Reply::ok("Done");
    } else if (std::holds_alternative<GetQuota>(what)) {
        reply = co_await get_quota(false);
    } else if (std::holds_alternative<GetQuotaRoot>(what)) {
        reply = co_await get_quota(true);
    } else if (std::holds_alternative<SetQuota>(what)) {
        reply = Reply::no("Quotas are the administrator's", "NOPERM");
    }
    co_await sync(!by_number);
    co_return reply;
}

}  // namespace posthorn::imap
