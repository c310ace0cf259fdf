// APPEND (RFC 9051 §6.3.12), of several messages (RFC 3502): streamed into the store, made all together or not at all.
#include "mail/summary.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {

struct Session::Appending {
    store::Mailbox mailbox;
    std::vector<store::NewMessage> messages;
    // Of the message at hand.
    std::unique_ptr<store::Upload> upload;
    mail::SummaryBuilder summary;
};

namespace {

// That one command may bring.
constexpr std::size_t kMaxMessages = 1000;

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
    if (event.kind == Kind::open) {
        appending_.reset();
        if (event.replaces) co_return Reply::no("REPLACE is not done here", "CANNOT");
        const auto name = store::mailbox_name(event.text);
        auto box = co_await mail().mailbox(loop(), account_, name ? *name : event.text);
        if (!box) {
            if (store::is_missing(box.error())) co_return Reply::no("There is no such mailbox", "TRYCREATE");
            co_return failed("append", box.error());
        }
        appending_ = {new Appending{.mailbox = std::move(*box)}, [](Appending* gone) { delete gone; }};
        co_return std::nullopt;
    }
    auto& now = *appending_;
    if (event.kind == Kind::url) co_return Reply::no("There are no URLs here", "CANNOT");
    if (event.kind == Kind::message) {
        if (now.messages.size() >= kMaxMessages) co_return Reply::no("Too many messages", "LIMIT");
        auto& message = now.messages.emplace_back();
        message.received = event.date ? base::from_ms(*event.date) : loop().clock().wall();
        message.system = event.flags.system;
        message.keywords = event.flags.keywords;
        now.summary = mail::SummaryBuilder();
        co_return std::nullopt;
    }
    if (event.kind == Kind::literal && !now.upload) {
        auto upload = co_await mail().upload(loop(), account_, size);
        if (!upload) co_return failed("upload", upload.error());
        now.upload = std::move(*upload);
    }
    if (event.kind == Kind::message_end) {
        if (!now.upload || now.upload->size() == 0)
            co_return Reply::no("An empty message cannot be stored", "CANNOT");
        auto& message = now.messages.back();
        const auto summary = now.summary.finish();
        message.thread_keys = mail::thread_keys(summary.thread);
        message.summary = std::make_shared<const std::string>(mail::encode_summary(summary));
        message.body = now.upload->finish();
        now.upload.reset();
    }
    co_return std::nullopt;
}

net::Task<> Session::append_piece(std::string bytes) {
    auto& now = *appending_;
    now.summary.feed(bytes);
    const auto written = co_await now.upload->write(loop(), std::move(bytes));
    std::optional<Reply> refusal;
    if (!written) {
        refusal = failed("append", written.error());
        appending_.reset();
    }
    machine_.on_append(std::move(refusal));
}

// RFC 4315 §3 APPENDUID. What the store has answered is durable.
net::Task<Reply> Session::append_commit() {
    auto& now = *appending_;
    const auto count = now.messages.size();
    const auto added = co_await mail().append(loop(), account_, now.mailbox.id, std::move(now.messages), quota());
    if (!added) {
        if (store::is_missing(added.error())) co_return Reply::no("There is no such mailbox", "TRYCREATE");
        co_return failed("append", added.error());
    }
    worker_.shared.counters.appended.add(count);
    news_ = true;
    NumberSet uids;
    for (const auto& one : *added) uids.add(one.uid);
    co_return Reply::ok("Appended", "APPENDUID " + std::to_string(added->front().uid_validity) + ' ' + uids.text());
}

}  // namespace posthorn::imap
