// FETCH (RFC 9051 §6.4.5): messages in batches, responses out in pieces.
#include <algorithm>
#include <set>

#include "proto/imap/structure.hpp"
#include "proto/imap/text.hpp"
#include "readers/imap/plan.hpp"

namespace posthorn::imap {
namespace {

using Kind = FetchItem::Kind;

// Messages asked of the store at once: with summaries, which may be large, and without.
constexpr std::size_t kSummaries = 64;
constexpr std::size_t kEntries = 2000;
// Bodies opened at once: so many octets of them together, or one.
constexpr std::uint64_t kBodies = 64 * 1024;

// RFC 3501's names for sections, as sections.
FetchItem plain(FetchItem item) {
    if (item.kind == Kind::rfc822_header) {
        item.section.what = Section::What::header;
        item.peek = true;
    }
    if (item.kind == Kind::rfc822_text) item.section.what = Section::What::text;
    return item;
}

bool wants_summary(const FetchItem& item) {
    switch (item.kind) {
        case Kind::envelope:
        case Kind::body:
        case Kind::body_structure:
        case Kind::rfc822_header:
        case Kind::rfc822_text:
        case Kind::preview: return true;
        case Kind::section:
        case Kind::binary:
        case Kind::binary_size: return !item.section.part.empty() || item.section.what != Section::What::all;
        default: return false;
    }
}

bool has_octets(const FetchItem& item) {
    switch (item.kind) {
        case Kind::section:
        case Kind::binary:
        case Kind::rfc822:
        case Kind::rfc822_header:
        case Kind::rfc822_text: return true;
        default: return false;
    }
}

}  // namespace

net::Task<Reply> Session::fetch() {
    const auto command = std::get<Fetch>(machine_.command().what);
    if (command.vanished && (!uid_command() || !machine_.enabled().qresync))
        co_return Reply::bad("VANISHED is for UID FETCH, with QRESYNC enabled");
    auto uids = named(command.set, uid_command());
    if (!uids) co_return uids.error();
    Plan plan;
    for (const auto& item : command.items) {
        plan.items.push_back(plain(item));
        plan.summaries |= wants_summary(item);
        plan.bodies |= has_octets(item) || item.kind == Kind::binary_size;
        plan.seen |= has_octets(item) && !plan.items.back().peek;
    }
    plan.seen &= !selected_->read_only;
    plan.changed_since = command.changed_since.value_or(0);
    if (command.changed_since || plan.names(Kind::modseq)) machine_.enable_condstore();
    // RFC 7162 §3.1.4.1, RFC 9051 §6.4.9: told with each
    if (command.changed_since && !plan.names(Kind::modseq)) plan.items.push_back({.kind = Kind::modseq});
    if (uid_command() && !machine_.enabled().uid_only && !plan.names(Kind::uid))
        plan.items.insert(plan.items.begin(), {.kind = Kind::uid});
    if (command.vanished) {
        const auto changes = co_await mail().changes(loop(), account_, selected_->scope(), plan.changed_since);
        if (!changes) co_return failed("changes", changes.error());
        // Where the log does not reach back, all that is not there may have vanished since (RFC 7162 §3.2.6).
        auto gone = command.set.resolve(selected_->view.largest_uid());
        if (changes->too_old) {
            for (const auto& range : selected_->view.all().ranges()) gone.remove(range.first, range.last);
        } else {
            gone = gone.common(from_store(changes->vanished));
        }
        if (!gone.empty()) out() += "* VANISHED (EARLIER) " + gone.text() + "\r\n";
    }
    if (command.partial) *uids = slice(*uids, *command.partial);
    bool all = true;
    std::uint32_t at = 0;
    const auto most = plan.summaries ? kSummaries : kEntries;
    auto batch = next_batch(*uids, at, most);
    auto coming = begin_batch(plan, batch);
    while (coming) {
        auto messages = co_await coming->get();
        const auto wanted = batch.count();
        batch = next_batch(*uids, at, most);
        coming = begin_batch(plan, batch);
        const bool whole = co_await fetch_batch(plan, std::move(messages), wanted);
        all = all && whole;
        if (cut_short()) break;
    }
    co_return all ? Reply::ok("Fetched") : Reply::ok("Some are gone or cannot be read", "EXPUNGEISSUED");
}

// The store gets them while the ones before are put out. Null: there are no more.
std::optional<Session::Coming> Session::begin_batch(const Plan& plan, const NumberSet& uids) {
    if (uids.empty()) return std::nullopt;
    return Coming(loop(), "imap fetch",
                  mail().messages(loop(), account_, selected_->scope(), to_store(uids), plan.summaries));
}

// False: not all of them could be shown.
net::Task<bool> Session::fetch_batch(const Plan& plan, base::Result<std::vector<store::Message>> messages,
                                     std::uint64_t wanted) {
    if (!messages) {
        failed("fetch", messages.error());
        co_return false;
    }
    bool all = messages->size() == wanted;
    std::erase_if(*messages, [&](const auto& message) { return message.entry.modseq <= plan.changed_since; });
    std::set<store::Uid> newly_seen;
    if (plan.seen) {
        store::UidSet unseen;
        for (const auto& message : *messages) {
            if ((message.entry.flags & flag::seen) == 0) unseen.add(message.entry.uid);
        }
        if (!unseen.empty()) {
            store::FlagChange change;
            change.system = flag::seen;
            const auto done =
                co_await mail().store_flags(loop(), account_, selected_->scope(), unseen, std::move(change));
            if (done) {
                note_own(*done);
                for (const auto& entry : done->entries) {
                    const auto found =
                        std::ranges::find(*messages, entry.uid, [](const auto& m) { return m.entry.uid; });
                    if (found == messages->end()) continue;
                    found->entry = entry;
                    newly_seen.insert(entry.uid);
                }
            }
        }
    }
    store::Store::Opened bodies;  // of the messages from `first` on
    std::size_t first = 0;
    auto more = plan.bodies ? open_next(*messages, 0) : std::nullopt;  // of those behind them
    for (std::size_t i = 0; i < messages->size(); ++i) {
        const auto& message = (*messages)[i];
        std::shared_ptr<store::Body> body;
        if (plan.bodies) {
            if (i == first + bodies.size()) {
                first = i;
                bodies = co_await opened(std::move(*more));
                more = open_next(*messages, first + bodies.size());
            }
            auto& found = bodies[i - first];
            if (!found) {
                if (!store::is_missing(found.error())) failed("open", found.error());
                all = false;
                // Nothing has been told of it: sync() tells that it is seen.
                const auto own = selected_->own.find(message.entry.modseq);
                if (own != selected_->own.end()) own->second.remove(message.entry.uid, message.entry.uid);
                continue;
            }
            body = std::move(*found);
        }
        const bool shown =
            co_await put_message(plan, message, newly_seen.contains(message.entry.uid), std::move(body));
        all = all && shown;
        const bool going = co_await flush();
        if (!going) break;
    }
    co_return all;
}

// At least one, and more while they are small together. Nothing: these were all.
std::optional<Session::Opening> Session::open_next(const std::vector<store::Message>& messages, std::size_t from) {
    if (from == messages.size()) return std::nullopt;
    std::vector<store::EmailId> emails;
    std::uint64_t octets = 0;
    for (auto i = from; i < messages.size(); ++i) {
        octets += messages[i].entry.size;
        if (i > from && octets > kBodies) break;
        emails.push_back(messages[i].entry.email);
    }
    const auto count = emails.size();
    return Opening{count, {loop(), "imap fetch", mail().open_all(loop(), account_, std::move(emails))}};
}

net::Task<store::Store::Opened> Session::opened(Opening opening) {
    auto all = co_await opening.bodies.get();
    if (!all) co_return store::Store::Opened(opening.count, std::unexpected(all.error()));
    co_return *std::move(all);
}

net::Task<bool> Session::put_message(const Plan& plan, const store::Message& message, bool seen,
                                     std::shared_ptr<store::Body> body) {
    const auto& entry = message.entry;
    const auto number = selected_->view.number_of(entry.uid);
    if (number == 0) co_return true;
    // What can fail comes first: once a response has begun, it must be ended.
    std::optional<mail::Summary> summary;
    if (plan.summaries) {
        auto made = co_await summary_of(message);
        if (!made) co_return false;
        summary = std::move(*made);
    }
    begin_fetch(out(), number, entry.uid);
    bool first = true;
    for (const auto& item : plan.items) {
        if (!first) out() += ' ';
        first = false;
        const auto* known = summary ? &*summary : nullptr;
        bool going = true;
        if (item.kind == Kind::binary || item.kind == Kind::binary_size) {
            going = co_await put_binary(item, known, body);
        } else if (has_octets(item)) {
            going = co_await put_section(item, message, known, body);
        } else {
            put_value(item, message, known);
        }
        // A client may ask for much of one message.
        if (!going || !co_await flush()) co_return false;
    }
    if (seen && !plan.names(Kind::flags)) {
        out() += " FLAGS ";
        put_flags(out(), entry.flags, selected_->keywords);
    }
    // RFC 7162 §3.2: with what has changed
    if (seen && machine_.enabled().condstore && !plan.names(Kind::modseq)) {
        put_number(out() += " MODSEQ (", entry.modseq);
        out() += ')';
    }
    out() += ")\r\n";
    co_return true;
}

// An item that says something of the message, without its octets.
void Session::put_value(const FetchItem& item, const store::Message& message, const mail::Summary* summary) {
    const auto& entry = message.entry;
    const auto number = [this](std::string_view before, std::uint64_t value, std::string_view after = {}) {
        out() += before;
        put_number(out(), value);
        out() += after;
    };
    switch (item.kind) {
        case Kind::flags: put_flags(out() += "FLAGS ", entry.flags, selected_->keywords); break;
        case Kind::uid: number("UID ", entry.uid); break;
        case Kind::internal_date: put_date_time(out() += "INTERNALDATE ", base::to_ms(message.received)); break;
        case Kind::rfc822_size: number("RFC822.SIZE ", entry.size); break;
        case Kind::envelope: put_envelope(out() += "ENVELOPE ", summary->envelope, utf8()); break;
        case Kind::body: put_structure(out() += "BODY ", *summary, false, utf8()); break;
        case Kind::body_structure: put_structure(out() += "BODYSTRUCTURE ", *summary, true, utf8()); break;
        case Kind::modseq: number("MODSEQ (", entry.modseq, ")"); break;
        case Kind::preview: put_string(out() += "PREVIEW ", summary->preview, utf8()); break;
        case Kind::save_date: out() += "SAVEDATE NIL"; break;
        case Kind::email_id: number("EMAILID (M", entry.email, ")"); break;
        case Kind::thread_id: number("THREADID (T", message.thread, ")"); break;
        default: break;  // put_section(), put_binary()
    }
}

}  // namespace posthorn::imap
