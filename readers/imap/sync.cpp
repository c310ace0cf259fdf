// What others did to the selected mailbox, and when the client hears of it.
#include "base/log.hpp"
#include "proto/imap/text.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

// All there is, where the change log does not reach back so far.
store::MailboxChanges all_of(store::Snapshot snapshot, const MailboxView& view) {
    store::MailboxChanges changes;
    NumberSet gone = view.all();
    for (const auto& entry : snapshot.entries) gone.remove(entry.uid, entry.uid);
    changes.vanished = to_store(gone);
    changes.mailbox = std::move(snapshot.mailbox);
    changes.changed = std::move(snapshot.entries);
    changes.keywords = std::move(snapshot.keywords);
    return changes;
}

}  // namespace

void Session::watch() {
    if (subscription_) return;
    subscription_ = mail().watch(loop(), account_, [weak = weak_from_this()](const store::Notice&) {
        if (const auto self = std::static_pointer_cast<Session>(weak.lock())) self->on_notice();
    });
}

// On the loop. In IDLE the client hears of it at once, else with its next command.
void Session::on_notice() {
    news_ = true;
    if (machine_.in_idle() && reading()) begin_telling();
}

void Session::begin_telling() {
    if (writing_beside_ || interrupted_ || !selected_) return;
    writing_beside_ = true;
    net::spawn(loop(), "imap idle", tell_idler(std::static_pointer_cast<Session>(shared_from_this())));
}

// Writes beside the read of IDLE; the read's coroutine waits for us before it writes.
net::Task<> Session::tell_idler(std::shared_ptr<Session> self) {
    bool stale = false;
    while (self->news_ && self->machine_.in_idle() && !self->interrupted_ && self->selected_) {
        self->news_ = false;
        auto& box = *self->selected_;
        const auto changes = co_await self->mail().changes(self->loop(), self->account_, box.scope(), box.modseq);
        stale = !changes && store::is_stale(changes.error());
        if (!changes || changes->too_old || !self->machine_.in_idle() || self->interrupted_) {
            self->news_ = true;  // the next command looks again
            break;
        }
        std::string bytes;
        self->tell(*changes, true, bytes);
        if (bytes.empty()) continue;
        const auto result = co_await self->stream_->write(bytes, self->loop().now() + self->limits().write);
        if (!result.ok()) {
            self->stream_->close();
            break;
        }
    }
    self->writing_beside_ = false;
    if (stale && self->reading() && !self->interrupted_ && self->machine_.in_idle())
        self->interrupt(Interruption::replaced);
    self->told_.notify_all();
}

net::Task<> Session::sync(bool may_expunge) {
    if (!selected_) co_return;
    auto& box = *selected_;
    if (!news_) {
        if (may_expunge && box.view.has_news()) {
            store::MailboxChanges none;
            none.mailbox.highest_modseq = box.modseq;
            none.keywords = box.keywords;
            tell(none, true, out());
        }
        co_return;
    }
    news_ = false;
    auto changes = co_await mail().changes(loop(), account_, box.scope(), box.modseq);
    if (changes && changes->too_old) {
        auto snapshot = co_await mail().snapshot(loop(), account_, box.id);
        if (!snapshot) {
            changes = std::unexpected(snapshot.error());
        } else {
            changes = all_of(std::move(*snapshot), box.view);
        }
    }
    if (!changes) {
        if (!store::is_missing(changes.error())) {
            failed("changes", changes.error());
            news_ = true;
            co_return;
        }
        // Another session deleted it: to this one all messages are gone.
        store::MailboxChanges gone;
        gone.mailbox.highest_modseq = box.modseq;
        gone.vanished = to_store(box.view.all());
        gone.keywords = box.keywords;
        changes = std::move(gone);
    }
    tell(*changes, may_expunge, out());
}

void Session::put_keywords(std::string& into) {
    const auto bits = flag::seen | flag::answered | flag::flagged | flag::deleted | flag::draft;
    into += "* FLAGS ";
    put_flags(into, ~std::uint64_t{0}, selected_->keywords);
    into += "\r\n* OK [PERMANENTFLAGS ";
    if (selected_->read_only) {
        into += "()] Read only\r\n";
        return;
    }
    put_flags(into, bits | ~std::uint64_t{31}, selected_->keywords);
    into.back() = ' ';
    into += "\\*)] Flags that last\r\n";
}

void Session::note_keywords(const store::Keywords& keywords) {
    if (keywords.size() <= selected_->keywords.size()) return;
    selected_->keywords = keywords;
    put_keywords(out());
}

// A change that changed nothing bears the modseq of an earlier one, perhaps another session's: only these messages have been
// told.
void Session::note_own(const store::FlagsChanged& done) {
    auto& told = selected_->own[done.modseq];
    for (const auto& entry : done.entries) {
        if (entry.modseq == done.modseq) told.add(entry.uid);
    }
    news_ = true;
}

// "* 2 FETCH (", or "* 5 UIDFETCH (" (RFC 9586 §3.3)
void Session::begin_fetch(std::string& into, std::uint32_t number, store::Uid uid) const {
    const bool uid_only = machine_.enabled().uid_only;
    put_number(into += "* ", uid_only ? uid : number);
    into += uid_only ? " UIDFETCH (" : " FETCH (";
}

// "* 2 FETCH (FLAGS (...) [UID 5] [MODSEQ (9)])"
void Session::put_fetch_flags(std::string& into, const store::Entry& entry, bool with_uid) {
    const auto number = selected_->view.number_of(entry.uid);
    if (number == 0) return;
    begin_fetch(into, number, entry.uid);
    if (with_uid && !machine_.enabled().uid_only) {
        into += "UID ";
        put_number(into, entry.uid);
        into += ' ';
    }
    into += "FLAGS ";
    put_flags(into, entry.flags, selected_->keywords);
    if (machine_.enabled().condstore) {
        into += " MODSEQ (";
        put_number(into, entry.modseq);
        into += ')';
    }
    into += ")\r\n";
}

void Session::tell(const store::MailboxChanges& changes, bool may_expunge, std::string& into) {
    auto& box = *selected_;
    auto& view = box.view;
    NumberSet arrived;
    for (const auto& entry : changes.changed) arrived.add(entry.uid);
    std::vector<const store::Entry*> flags;
    for (const auto& entry : changes.changed) {
        if (view.number_of(entry.uid) == 0 || entry.modseq <= box.modseq) continue;
        const auto own = box.own.find(entry.modseq);
        if (own == box.own.end() || !own->second.contains(entry.uid)) flags.push_back(&entry);
    }
    view.arrived(arrived);
    view.vanished(from_store(changes.vanished));
    const auto told = view.tell(may_expunge);
    if ((machine_.enabled().qresync || machine_.enabled().uid_only) && !told.vanished.empty()) {
        into += "* VANISHED " + told.vanished.text() + "\r\n";  // RFC 7162 §3.2.10, RFC 9586 §3.4
    } else {
        for (const auto number : told.expunged) {
            into += "* ";
            put_number(into, number);
            into += " EXPUNGE\r\n";
        }
    }
    for (const auto& range : told.vanished.ranges()) box.saved.remove(range.first, range.last);
    if (told.exists) {
        into += "* ";
        put_number(into, view.size());
        into += " EXISTS\r\n";
    }
    if (changes.keywords.size() > box.keywords.size()) {
        box.keywords = changes.keywords;
        put_keywords(into);
    }
    for (const auto* entry : flags) put_fetch_flags(into, *entry, machine_.enabled().condstore);
    box.modseq = std::max(box.modseq, changes.mailbox.highest_modseq);
    box.own.erase(box.own.begin(), box.own.upper_bound(box.modseq));
}

}  // namespace posthorn::imap
