// APPEND (RFC 9051 §6.3.12), of several messages (RFC 3502), with parts of other messages (CATENATE, RFC 4469), and REPLACE
// (RFC 8508): streamed into the store, made all together or not at all.
#include "base/ascii.hpp"
#include "mail/summary.hpp"
#include "proto/imap/section.hpp"
#include "proto/imap/text.hpp"
#include "proto/imap/url.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {

struct Session::Appending {
    store::Mailbox mailbox;
    std::optional<store::Uid> replaces;  // in the selected mailbox
    std::vector<store::NewMessage> messages;
    std::uint64_t staged = 0;                   // octets of all of them
    std::uint64_t by_url = 0;                   // and of these what came by URL
    std::optional<store::AccountState> before;  // as it was at the first message, where there is a quota
    // Of the message at hand.
    std::unique_ptr<store::Upload> upload;
    mail::SummaryBuilder summary;
};

namespace {

// That one command may bring.
constexpr std::size_t kMaxMessages = 1000;
// By URL, which costs the client nothing, no more than a message may have; where that has no limit, so much.
constexpr std::uint64_t kMaxByUrl = 1ULL << 30;
constexpr std::size_t kPiece = 64 * 1024;

Reply going_down() { return Reply::no("The server goes down", "UNAVAILABLE"); }

// RFC 4469 §5
Reply bad_url(std::string_view url) {
    std::string code = "BADURL ";
    put_string(code, url, false);
    if (code.find('\n') != std::string::npos) code = "BADURL";  // no literal stands in a code
    return Reply::no("That URL names nothing here", std::move(code));
}

}  // namespace

net::Task<> Session::append(ServerAction action) {
    if (action.event->kind == AppendEvent::Kind::end) {
        auto reply = co_await append_commit();
        appending_.reset();
        co_await sync(true);
        machine_.on_done(std::move(reply));
        co_return;
    }
    auto refusal = co_await append_event(*action.event, action.size);
    if (refusal) appending_.reset();
    machine_.on_append(std::move(refusal));
}

net::Task<std::optional<Reply>> Session::append_event(const AppendEvent& event, std::uint64_t size) {
    using Kind = AppendEvent::Kind;
    if (event.kind == Kind::open) co_return co_await append_open(event);
    auto& now = *appending_;
    switch (event.kind) {
        case Kind::message: {
            if (now.messages.size() >= kMaxMessages) co_return Reply::no("Too many messages", "LIMIT");
            auto& message = now.messages.emplace_back();
            message.received = event.date ? base::from_ms(*event.date) : loop().clock().wall();
            message.system = event.flags.system;
            message.keywords = event.flags.keywords;
            now.summary = mail::SummaryBuilder();
            co_return std::nullopt;
        }
        case Kind::literal: co_return co_await append_room(size);
        case Kind::url: co_return co_await append_url(event.text);
        case Kind::message_end: co_return append_ended();
        default: co_return std::nullopt;
    }
}

net::Task<std::optional<Reply>> Session::append_open(const AppendEvent& event) {
    appending_.reset();
    std::optional<store::Uid> replaces;
    if (event.replaces) {
        if (!selected_) co_return Reply::bad("Select a mailbox first");
        if (selected_->read_only) co_return Reply::no("The mailbox was opened to be read only", "READ-ONLY");
        if (machine_.enabled().uid_only && !event.uid)
            co_return Reply{Reply::Status::bad, "UIDREQUIRED", "Only UIDs are spoken of here"};
        const auto uids = named(*event.replaces, event.uid);
        if (!uids) co_return uids.error();
        if (uids->count() != 1) co_return Reply::no("That is not one message", "NONEXISTENT");
        replaces = uids->first();
    }
    const auto name = store::mailbox_name(event.text);
    auto box = co_await mail().mailbox(loop(), account_, name ? *name : event.text);
    if (!box) {
        if (store::is_missing(box.error())) co_return Reply::no("There is no such mailbox", "TRYCREATE");
        co_return failed("append", box.error());
    }
    appending_ = {new Appending{.mailbox = std::move(*box), .replaces = replaces},
                  [](Appending* gone) { delete gone; }};
    co_return std::nullopt;
}

// Asked before the client is told to send: `size` octets more, of one message at most append_limit, of all what the quota
// has left. The store looks at the quota once more when it takes them.
net::Task<std::optional<Reply>> Session::append_room(std::uint64_t size) {
    auto& now = *appending_;
    const auto limit = limits().append_limit;
    if (limit != 0 && size + (now.upload ? now.upload->size() : 0) > limit)
        co_return Reply::no("The message is too large", "TOOBIG");
    if (const auto most = quota()) {
        if (!now.before) {
            auto state = co_await mail().state(loop(), account_);
            if (!state) co_return failed("append", state.error());
            now.before = std::move(*state);
        }
        const auto& used = *now.before;
        if ((most->bytes != 0 && used.bytes + used.reserved_bytes + now.staged + size > most->bytes) ||
            (most->messages != 0 && used.messages + used.reserved_messages + now.messages.size() > most->messages))
            co_return Reply::no("The quota is used up", "OVERQUOTA");
    }
    now.staged += size;
    if (now.upload) co_return std::nullopt;
    auto upload = co_await mail().upload(loop(), account_, size);
    if (!upload) co_return failed("upload", upload.error());
    now.upload = std::move(*upload);
    co_return std::nullopt;
}

std::optional<Reply> Session::append_ended() {
    auto& now = *appending_;
    if (!now.upload || now.upload->size() == 0) return Reply::no("An empty message cannot be stored", "CANNOT");
    auto& message = now.messages.back();
    const auto summary = now.summary.finish();
    message.thread_keys = mail::thread_keys(summary.thread);
    message.summary = std::make_shared<const std::string>(mail::encode_summary(summary));
    message.body = now.upload->finish();
    now.upload.reset();
    return std::nullopt;
}

net::Task<> Session::append_piece(std::string bytes) {
    auto refusal = co_await append_bytes(std::move(bytes));
    if (refusal) appending_.reset();
    machine_.on_append(std::move(refusal));
}

net::Task<std::optional<Reply>> Session::append_bytes(std::string bytes) {
    appending_->summary.feed(bytes);
    const auto written = co_await appending_->upload->write(loop(), std::move(bytes));
    if (!written) co_return failed("append", written.error());
    co_return std::nullopt;
}

// RFC 4469 §3: octets of a message in one of this account's mailboxes.
net::Task<std::optional<Reply>> Session::append_url(std::string text) {
    if (hurry_) co_return going_down();
    const auto url = parse_message_url(text);
    if (!url || (url->host && !base::iequals(*url->host, settings_->options.hostname)) ||
        (!url->user.empty() && url->user != account_.text()) || (url->mailbox.empty() && !selected_))
        co_return bad_url(text);
    const auto known = store::mailbox_name(url->mailbox);
    const auto name = url->mailbox.empty() ? selected_->name : known ? *known : url->mailbox;
    const auto box = co_await mail().mailbox(loop(), account_, name);
    if (!box) co_return store::is_missing(box.error()) ? bad_url(text) : failed("catenate", box.error());
    if (url->uid_validity != 0 && url->uid_validity != box->uid_validity) co_return bad_url(text);
    const store::UidSet one{url->uid};
    const store::UidScope scope{box->id, box->uid_validity};
    const auto messages = co_await mail().messages(loop(), account_, scope, one, true);
    if (!messages) co_return failed("catenate", messages.error());
    if (messages->empty()) co_return bad_url(text);
    const auto summary = co_await summary_of(messages->front());
    if (!summary) co_return failed("catenate", summary.error());
    const auto where = locate(*summary, url->section);
    if (!where) co_return bad_url(text);
    auto body = co_await mail().open(loop(), account_, messages->front().entry.email);
    if (!body) co_return failed("catenate", body.error());
    co_return co_await append_extent(std::move(*body), *where, *url);
}

net::Task<std::optional<Reply>> Session::append_extent(std::shared_ptr<store::Body> body, Extent where,
                                                       const MessageUrl& url) {
    std::optional<std::string> header;  // filtered: it is small
    if (where.filter) {
        auto read = co_await read_range(loop(), body, where.begin, std::min(where.end, where.begin + kMaxHeader));
        if (!read) co_return failed("catenate", read.error());
        header = filter_header(*read, url.section);
        where = {0, header->size()};
    }
    const auto begin = where.begin + std::min(url.offset.value_or(0), where.end - where.begin);
    const auto end = begin + std::min(url.count.value_or(UINT64_MAX), where.end - begin);
    auto& taken = appending_->by_url;
    const auto most = limits().append_limit != 0 ? limits().append_limit : kMaxByUrl;
    if (end - begin > most - taken) co_return Reply::no("Too much is taken by URL", "TOOBIG");
    taken += end - begin;
    auto refusal = co_await append_room(end - begin);
    for (auto at = begin; !refusal && at < end;) {
        if (hurry_) co_return going_down();
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end - at));
        std::string bytes;
        if (header) {
            bytes = header->substr(at, count);
        } else {
            auto piece = co_await body->read(loop(), at, count);
            if (!piece) co_return failed("catenate", piece.error());
            bytes = std::move(*piece);
        }
        if (bytes.empty()) co_return Reply::no("A part cannot be read", "SERVERBUG");
        at += bytes.size();
        refusal = co_await append_bytes(std::move(bytes));
    }
    co_return refusal;
}

// RFC 4315 §3 APPENDUID. What the store has answered is durable; what is replaced goes only then, so that a crash in
// between leaves both.
net::Task<Reply> Session::append_commit() {
    auto& now = *appending_;
    const auto count = now.messages.size();
    const auto replaces = now.replaces;
    const auto added = co_await mail().append(loop(), account_, now.mailbox.id, std::move(now.messages), quota());
    if (!added) {
        if (store::is_missing(added.error())) co_return Reply::no("There is no such mailbox", "TRYCREATE");
        co_return failed("append", added.error());
    }
    worker_.shared.counters.appended.add(count);
    news_ = true;
    NumberSet uids;
    for (const auto& one : *added) uids.add(one.uid);
    auto code = "APPENDUID " + std::to_string(added->front().uid_validity) + ' ' + uids.text();
    if (!replaces) co_return Reply::ok("Appended", std::move(code));
    out() += "* OK [" + code + "] The other one is there\r\n";  // RFC 8508 §3.4: before the EXPUNGE
    const store::UidSet other{*replaces};
    const auto gone = co_await mail().expunge(loop(), account_, selected_->scope(), other, false);
    if (!gone && !store::is_missing(gone.error())) co_return failed("replace", gone.error());
    co_return Reply::ok("Replaced");
}

}  // namespace posthorn::imap
