// Recipients of our own: who they are, whether they have room, and the promise that LMTP makes to each of them.
#include <algorithm>
#include <set>

#include "mta/replies.hpp"
#include "mta/session.hpp"

namespace posthorn::mta {
namespace {

constexpr int kAliasDepth = 10;              // aliases within aliases whose accounts' room is looked at
constexpr std::size_t kAliasRooms = 10'000;  // addresses of one recipient, likewise; what delivery looks at

// What delivery adds to a message: Return-Path and Delivered-To.
constexpr std::uint64_t kDeliveryFields = 700;  // octets

smtp::ServerReply full(OverQuota policy) {
    if (policy == OverQuota::defer) return {452, "4.2.2", "Mailbox full"};
    return {552, "5.2.2", "Mailbox full"};
}

bool bounded(const auth::Quota& quota) { return quota.bytes != 0 || quota.messages != 0; }

store::Quota store_quota(const auth::Quota& quota) { return {.bytes = quota.bytes, .messages = quota.messages}; }

bool fits(const store::AccountState& state, std::uint64_t size, const auth::Quota& quota) {
    const auto bytes = state.bytes + state.reserved_bytes + size;
    const auto messages = state.messages + state.reserved_messages + 1;
    return (quota.bytes == 0 || bytes <= quota.bytes) && (quota.messages == 0 || messages <= quota.messages);
}

}  // namespace

bool Session::is_local(const mail::Address& address) const {
    const auto* directory = worker_.shared.services.directory;
    return directory != nullptr && directory->is_local_domain(mail::domain_key(address.domain));
}

// The address mail for the newest recipient goes to: a bare "postmaster" (RFC 5321 §4.5.1) is the configured one.
const mail::Address& Session::candidate_address() const {
    const auto& address = machine_.candidate().address;
    return address.domain.empty() && settings_->postmaster ? *settings_->postmaster : address;
}

net::Task<smtp::Verdict> Session::ask_recipient() {
    using Kind = auth::Resolution::Kind;
    const auto address = candidate_address();
    auto found = co_await worker_.shared.services.directory->resolve(worker_.loop, address);
    if (!found) co_return refused(found.error(), "RCPT");
    std::vector<Room> rooms;
    switch (found->kind) {
        case Kind::not_local: co_return smtp::Verdict::no({550, "5.7.1", "Not a recipient of ours"});
        case Kind::unknown: co_return smtp::Verdict::no({550, "5.1.1", "No such user here"});
        case Kind::account: {
            if (found->account.disabled) co_return smtp::Verdict::no({550, "5.2.1", "Mailbox disabled"});
            rooms.push_back({found->account.name, found->account.quota});
            auto verdict = co_await ask_room(rooms.front());
            if (!verdict.accept) co_return verdict;
            break;
        }
        case Kind::alias:
            if (settings_->lmtp()) rooms = co_await rooms_behind(std::move(found->targets));
            break;
    }
    if (settings_->lmtp()) rooms_.push_back(std::move(rooms));
    co_return smtp::Verdict::yes();
}

// Whether a message of the announced size would fit now. Nothing is kept free for it.
net::Task<smtp::Verdict> Session::ask_room(Room room) {
    auto* store = worker_.shared.services.store;
    if (store == nullptr || !bounded(room.quota)) co_return smtp::Verdict::yes();
    const auto state = co_await store->state(worker_.loop, room.account);
    if (!state) co_return refused(state.error(), "RCPT");
    if (fits(*state, machine_.transaction().mail.size, room.quota)) co_return smtp::Verdict::yes();
    co_return smtp::Verdict::no(full(settings_->listener.smtp.over_quota));
}

// The local accounts an alias leads to. What cannot be looked up now is left to delivery, which tries again.
net::Task<std::vector<Session::Room>> Session::rooms_behind(std::vector<mail::Address> targets) {
    std::vector<Room> rooms;
    std::set<std::string> seen;
    for (int depth = 0; depth < kAliasDepth && !targets.empty(); ++depth) {
        std::vector<mail::Address> next;
        for (auto& target : targets) {
            if (seen.size() >= kAliasRooms || !is_local(target)) continue;
            if (!seen.insert(target.to_string()).second) continue;
            auto found = co_await worker_.shared.services.directory->resolve(worker_.loop, std::move(target));
            if (!found) continue;
            if (found->kind == auth::Resolution::Kind::account)
                rooms.push_back({found->account.name, found->account.quota});
            std::ranges::move(found->targets, std::back_inserter(next));
        }
        targets = std::move(next);
    }
    co_return rooms;
}

// Keeps room free in each account a recipient leads to; an answer says why not, and then nothing of it is kept.
net::Task<std::optional<smtp::ServerReply>> Session::reserve(std::vector<Room> rooms, base::Ulid id,
                                                             std::uint64_t bytes) {
    auto* store = worker_.shared.services.store;
    const auto before = reserved_.size();
    if (store == nullptr) co_return std::nullopt;
    std::set<mail::AccountName> held;
    if (rooms.size() > 1) held.insert(reserved_.begin(), reserved_.end());
    const auto is_held = [&](const mail::AccountName& account) {
        return rooms.size() > 1 ? !held.insert(account).second
                                : std::ranges::find(reserved_, account) != reserved_.end();
    };
    for (const auto& room : rooms) {
        // Two recipients of one account are one message there.
        if (!bounded(room.quota) || is_held(room.account)) continue;
        const auto kept = co_await store->reserve(worker_.loop, room.account, id, bytes, store_quota(room.quota));
        if (kept) {
            reserved_.push_back(room.account);
            continue;
        }
        release(id, before);
        if (store::is_over_quota(kept.error())) co_return full(settings_->listener.smtp.over_quota);
        co_return refused(kept.error(), "DATA").reply;
    }
    co_return std::nullopt;
}

void Session::release(const base::Ulid& id, std::size_t from) {
    auto* store = worker_.shared.services.store;
    for (auto i = from; i < reserved_.size(); ++i) store->release(reserved_[i], id);
    reserved_.resize(std::min(from, reserved_.size()));
}

// RFC 2033 §4.2. Who has no room is refused now; for the others the message is durable before their 250, and the room
// for it is kept until it is delivered, so that none of them is ever told otherwise.
net::Task<> Session::commit_each() {
    auto envelope = make_envelope();
    envelope.promised = true;
    const auto began = worker_.loop.now();
    const auto bytes = envelope.body_size + envelope.trace_headers.size() + kDeliveryFields;
    std::vector<smtp::ServerReply> replies(envelope.recipients.size());
    std::vector<mail::Recipient> taken;
    reserved_.clear();
    for (std::size_t i = 0; i < replies.size(); ++i) {
        std::vector<Room> rooms;
        if (i < rooms_.size()) rooms = std::move(rooms_[i]);
        auto refusal = co_await reserve(std::move(rooms), envelope.id, bytes);
        if (refusal) {
            replies[i] = *std::move(refusal);
        } else {
            taken.push_back(std::move(envelope.recipients[i]));
        }
    }
    envelope.recipients = std::move(taken);
    smtp::ServerReply outcome{250, "2.0.0", "Queued as " + envelope.id.to_string()};
    bool durable = false;
    if (envelope.recipients.empty()) {
        intake_.reset();
    } else {
        const auto done = co_await worker_.shared.queue->commit(worker_.loop, envelope, std::move(intake_));
        durable = done.has_value();
        if (!durable) outcome = refused(done.error(), "commit").reply;
    }
    if (!durable) release(envelope.id, 0);
    for (auto& reply : replies) {
        if (reply.code == 0) reply = outcome;
    }
    machine_.on_replies(std::move(replies));
    if (durable) record_accepted(envelope, began);
}

}  // namespace posthorn::mta
