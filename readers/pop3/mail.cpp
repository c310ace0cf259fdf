// What a session asks of others: who it is of the provider, the maildrop of the store.
#include <algorithm>

#include "base/log.hpp"
#include "readers/pop3/session.hpp"

namespace posthorn::pop3 {
namespace {

constexpr std::string_view kInbox = "INBOX";

LoginVerdict verdict_of(auth::Login::Verdict verdict) {
    switch (verdict) {
        case auth::Login::Verdict::ok: return LoginVerdict::ok;
        case auth::Login::Verdict::wrong: return LoginVerdict::wrong;
        case auth::Login::Verdict::disabled: return LoginVerdict::disabled;
        case auth::Login::Verdict::throttled: return LoginVerdict::throttled;
        case auth::Login::Verdict::unavailable: break;
    }
    return LoginVerdict::unavailable;
}

}  // namespace

auth::Client Session::client() const {
    return {.ip = stream_->peer().ip.unmapped(),
            .unix_socket = !stream_->peer().unix_path.empty() || !stream_->local().unix_path.empty(),
            .service = "pop3",
            .mechanism = std::string(machine_.mechanism()),
            .session = id_,
            .tls = machine_.tls()};
}

void Session::trouble(std::string_view what, const base::Error& error) const {
    base::log::warning(
        "pop3.store_failed",
        {{"session_id", id_}, {"account", account_.text()}, {"operation", what}, {"error", error.log_text}});
}

// Failures are counted, throttled, delayed and logged by the provider.
net::Task<> Session::login() {
    auto need = std::move(machine_.need());
    if (auto* secret = std::get_if<sasl::NeedSecret>(&need)) {
        const auto hash =
            secret->hash == sasl::ScramHash::sha_1 ? auth::ScramHash::sha_1 : auth::ScramHash::sha_256;
        auto begun =
            co_await worker_.shared.provider->scram_begin(worker_.loop, std::move(secret->user), hash, client());
        if (begun.verdict != auth::Login::Verdict::ok) {
            machine_.on_login(verdict_of(begun.verdict));
            co_return;
        }
        attempt_ = std::move(begun.attempt);
        machine_.on_secret({.salt = std::move(begun.secrets.salt),
                            .iterations = begun.secrets.iterations,
                            .stored_key = std::move(begun.secrets.stored_key),
                            .server_key = std::move(begun.secrets.server_key)});
        co_return;
    }
    auto login = co_await look_up(std::move(need));
    if (login.verdict == auth::Login::Verdict::ok) account_ = login.account.name;
    machine_.on_login(verdict_of(login.verdict));
}

net::Task<auth::Login> Session::look_up(sasl::Step need) {
    auto& provider = *worker_.shared.provider;
    if (auto* password = std::get_if<sasl::NeedPassword>(&need))
        co_return co_await provider.password(worker_.loop, std::move(password->user), std::move(password->password),
                                             client());
    if (auto* token = std::get_if<sasl::NeedToken>(&need))
        co_return co_await provider.token(worker_.loop, std::move(token->user), std::move(token->token), client());
    if (const auto* proof = std::get_if<sasl::NeedVerdict>(&need))
        co_return co_await provider.scram_end(worker_.loop, std::move(attempt_), proof->proved);
    auth::Login no;
    no.verdict = auth::Login::Verdict::wrong;
    co_return no;
}

net::Task<> Session::open() {
    const auto delay = std::chrono::seconds(settings_->listener.pop3.login_delay);
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
    mailbox_ = inbox->id;
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

net::Task<> Session::message(std::uint32_t uid) {
    const auto found = std::ranges::lower_bound(emails_, uid, {}, &std::pair<store::Uid, store::EmailId>::first);
    auto body = co_await worker_.shared.store->open(worker_.loop, account_, found->second);
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
    if (settings_->listener.pop3.mark_seen && !to_mark_.empty()) {
        store::FlagChange seen;
        seen.system = store::flag::seen;
        const auto done =
            co_await worker_.shared.store->store_flags(worker_.loop, account_, mailbox_, to_mark_, std::move(seen));
        if (!done) trouble("store_flags", done.error());
    }
    lock_.reset();
}

}  // namespace posthorn::pop3
