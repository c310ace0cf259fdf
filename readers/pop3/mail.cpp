// The maildrop, as a session asks for it of the store.
#include <algorithm>

#include "base/log.hpp"
#include "readers/pop3/session.hpp"

namespace posthorn::pop3 {
namespace {

constexpr std::string_view kInbox = "INBOX";
constexpr std::uint64_t kAhead = 64 * 1024;  // octets of messages read together

}  // namespace

void Session::trouble(std::string_view what, const base::Error& error) const {
    base::log::warning(
        "pop3.store_failed",
        {{"session_id", id_}, {"account", account_.text()}, {"operation", what}, {"error", error.log_text}});
}

net::Task<> Session::open() {
    const auto delay = std::chrono::seconds(limits().login_delay);
    auto [lock, refusal] = worker_.shared.locks->enter(account_, worker_.loop.now(), delay);
    if (!lock) {
        machine_.on_open_failed(refusal == Locks::Refusal::in_use ? OpenFailure::in_use : OpenFailure::login_delay);
        co_return;
    }
    auto& store = *worker_.shared.store;
    const auto inbox = co_await store.mailbox(worker_.loop, account_, std::string(kInbox));
    if (!inbox) {
        trouble("mailbox", inbox.error());
        machine_.on_open_failed(OpenFailure::unavailable);
        co_return;
    }
    const auto snapshot = co_await store.snapshot(worker_.loop, account_, inbox->id);
    if (!snapshot) {
        trouble("snapshot", snapshot.error());
        machine_.on_open_failed(OpenFailure::unavailable);
        co_return;
    }
    lock_ = std::move(lock);
    mailbox_ = snapshot->mailbox.scope();
    std::vector<MaildropMessage> messages;
    messages.reserve(snapshot->entries.size());
    emails_.clear();
    emails_.reserve(snapshot->entries.size());
    for (const auto& entry : snapshot->entries) {
        messages.push_back({.size = entry.size, .uid = entry.uid});
        emails_.emplace_back(entry.uid, entry.email);
        if ((entry.flags & store::flag::seen) == 0) unseen_.add(entry.uid);
    }
    machine_.on_opened(snapshot->mailbox.uid_validity, std::move(messages));
}

// Who asks for one after the other gets them from what was read together, and is read on meanwhile.
net::Task<base::Result<std::shared_ptr<store::Body>>> Session::body_of(std::size_t which) {
    const bool in_order = which == std::exchange(next_, which + 1);
    if (coming_ && which == ahead_end_) {
        auto opened = co_await coming_->get();
        coming_.reset();
        ahead_end_ = coming_end_;
        ahead_ = opened ? *std::move(opened) : store::Store::Opened();
        read_ahead(ahead_end_);
    }
    const auto first = ahead_end_ - ahead_.size();
    if (which >= first && which < ahead_end_ && ahead_[which - first].value_or(nullptr))
        co_return *std::exchange(ahead_[which - first], nullptr);
    ahead_.clear();
    coming_.reset();
    ahead_end_ = which + 1;
    if (in_order) read_ahead(ahead_end_);
    auto body = co_await worker_.shared.store->open(worker_.loop, account_, emails_[which].second);
    co_return body;
}

// Emails from there on, as many as are small together.
void Session::read_ahead(std::size_t from) {
    std::vector<store::EmailId> wanted;
    std::uint64_t octets = 0;
    for (auto i = from; i < emails_.size(); ++i) {
        octets += machine_.maildrop().at(i + 1).size;
        if (octets > kAhead) break;
        wanted.push_back(emails_[i].second);
    }
    if (wanted.empty()) return;
    coming_end_ = from + wanted.size();
    coming_.emplace(worker_.loop, "pop3 ahead",
                    worker_.shared.store->open_all(worker_.loop, account_, std::move(wanted)));
}

net::Task<> Session::message(std::uint32_t uid) {
    const auto found = std::ranges::lower_bound(emails_, uid, {}, &std::pair<store::Uid, store::EmailId>::first);
    auto body = co_await body_of(static_cast<std::size_t>(found - emails_.begin()));
    if (!body) {
        const bool gone = store::is_missing(body.error());
        if (!gone) trouble("open", body.error());
        machine_.on_message_failed(gone);
        co_return;
    }
    body_ = std::move(*body);
    offset_ = 0;
    if (unseen_.contains(uid)) to_mark_.add(uid);
    machine_.on_message();
}

net::Task<> Session::piece() {
    if (hurry_) {
        machine_.on_broken();
        co_return;
    }
    if (const auto memory = body_->memory()) {
        const auto piece = memory->substr(std::min<std::uint64_t>(offset_, memory->size()), ServerSession::kPiece);
        offset_ += piece.size();
        machine_.on_piece(piece);
        co_return;
    }
    const auto piece = co_await body_->read(worker_.loop, offset_, ServerSession::kPiece);
    if (!piece) {
        trouble("read", piece.error());
        machine_.on_broken();
        co_return;
    }
    offset_ += piece->size();
    machine_.on_piece(*piece);
}

// RFC 1939 §6. What the store answers is durable; from here until the reply is queued nothing cancels.
net::Task<> Session::update() {
    store::UidSet uids;
    for (const auto uid : machine_.marked()) uids.add(uid);
    to_mark_.remove(uids);
    const auto expunged = co_await worker_.shared.store->expunge(worker_.loop, account_, mailbox_, uids, false);
    if (!expunged) {
        trouble("expunge", expunged.error());
    } else {
        deleted_ = expunged->uids.count();
        worker_.shared.counters.deleted.add(deleted_);
    }
    machine_.on_updated(expunged.has_value());
}

// The session is over, however it came: what was retrieved is told to other readers, and the maildrop is free again.
net::Task<> Session::over() {
    worker_.shared.counters.retrieved.add(machine_.retrieved());
    worker_.shared.counters.retrieved_bytes.add(machine_.octets());
    body_.reset();
    if (limits().mark_seen && !to_mark_.empty()) {
        store::FlagChange seen;
        seen.system = store::flag::seen;
        const auto done =
            co_await worker_.shared.store->store_flags(worker_.loop, account_, mailbox_, to_mark_, std::move(seen));
        if (!done) trouble("store_flags", done.error());
    }
    lock_.reset();
}

}  // namespace posthorn::pop3
