#include <algorithm>
#include <cerrno>

#include "base/log.hpp"
#include "control/arguments.hpp"
#include "control/mail_commands.hpp"

namespace posthorn::control {
namespace {

constexpr std::size_t kBatch = 200;  // messages asked for at once

Value flags_view(store::Flags flags, const store::Keywords& keywords) {
    using namespace store::flag;
    auto out = Value::list();
    for (const auto& [bit, text] : {std::pair<store::Flags, const char*>{seen, "\\Seen"},
                                    {answered, "\\Answered"},
                                    {flagged, "\\Flagged"},
                                    {deleted, "\\Deleted"},
                                    {draft, "\\Draft"}}) {
        if ((flags & bit) != 0) out.add(text);
    }
    for (std::size_t i = 0; i < keywords.size(); ++i) {
        if ((flags & keyword(static_cast<unsigned>(i))) != 0) out.add(keywords[i]);
    }
    return out;
}

// Mailbox after mailbox, message after message, piece after piece.
class MailParts final : public Parts {
public:
    MailParts(store::Store& store, mail::AccountName account, std::vector<store::Mailbox> mailboxes)
        : store_(store), account_(std::move(account)), mailboxes_(std::move(mailboxes)) {}

    net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) override {
        if (body_) co_return co_await piece(loop);
        while (at_ == batch_.size()) {
            if (uids_.empty()) {
                if (box_ == mailboxes_.size()) co_return std::nullopt;
                co_return co_await enter(loop);
            }
            auto filled = co_await fill(loop);
            if (!filled) co_return std::unexpected(filled.error());
        }
        co_return co_await begin(loop);
    }
    Value info() const override {
        return Value::map()
            .set("messages", messages_)
            .set("gone", gone_)
            .set("damaged", damaged_)
            .set("size", octets_);
    }

private:
    using Next = base::Result<std::optional<Value>>;

    net::Task<Next> enter(net::Loop& loop) {
        auto snapshot = co_await store_.snapshot(loop, account_, mailboxes_[box_++].id);
        if (!snapshot) co_return std::unexpected(snapshot.error());
        mailbox_ = std::move(snapshot->mailbox);
        keywords_ = std::move(snapshot->keywords);
        for (const auto& entry : snapshot->entries) uids_.add(entry.uid);
        auto items = Value::list();
        items.add(Value::map().set("mailbox", mailbox_.name));
        co_return items;
    }

    net::Task<base::Result<void>> fill(net::Loop& loop) {
        store::UidSet some;
        std::size_t count = 0;
        for (const auto& range : uids_.ranges()) {
            const auto last = std::min<std::uint64_t>(range.last, range.first + (kBatch - count) - 1);
            some.add(range.first, last);
            count += last - range.first + 1;
            if (count >= kBatch) break;
        }
        uids_.remove(some);
        auto messages = co_await store_.messages(loop, account_, mailbox_.scope(), some, false);
        if (!messages) co_return std::unexpected(messages.error());
        gone_ += count - messages->size();
        batch_ = std::move(*messages);
        at_ = 0;
        co_return base::Result<void>();
    }

    net::Task<Next> begin(net::Loop& loop) {
        const auto& message = batch_[at_++];
        auto body = co_await store_.open(loop, account_, message.entry.email);
        if (!body) {
            if (store::is_missing(body.error()))
                ++gone_;  // expunged meanwhile
            else if (body.error().code == EUCLEAN)
                tell_damaged(message.entry.uid, body.error());
            else
                co_return std::unexpected(body.error());
            co_return Value::list();
        }
        body_ = std::move(*body);
        offset_ = 0;
        ++messages_;
        auto items = Value::list();
        items.add(Value::map()
                      .set("mailbox", mailbox_.name)
                      .set("uid_validity", mailbox_.uid_validity)
                      .set("uid", message.entry.uid)
                      .set("received", base::to_ms(message.received))
                      .set("size", body_->size())
                      .set("flags", flags_view(message.entry.flags, keywords_)));
        co_return items;
    }

    // The rest of the mail is to be had all the same.
    void tell_damaged(store::Uid uid, const base::Error& error) {
        ++damaged_;
        base::log::warning(
            "store.export_damaged",
            {{"account", account_.text()}, {"mailbox", mailbox_.name}, {"uid", uid}, {"error", error.log_text}});
    }

    net::Task<Next> piece(net::Loop& loop) {
        auto octets = co_await body_->read(loop, offset_, store::kPiece);
        if (!octets) co_return std::unexpected(octets.error());
        offset_ += octets->size();
        octets_ += octets->size();
        if (octets->empty() && offset_ < body_->size())
            co_return base::fail(base::ErrorKind::internal, "a body has become shorter");
        if (offset_ >= body_->size()) body_.reset();
        auto items = Value::list();
        items.add(Bytes{*std::move(octets)});
        co_return items;
    }

    store::Store& store_;
    const mail::AccountName account_;
    const std::vector<store::Mailbox> mailboxes_;
    std::size_t box_ = 0;
    store::Mailbox mailbox_;
    store::Keywords keywords_;
    store::UidSet uids_;  // that are still to come
    std::vector<store::Message> batch_;
    std::size_t at_ = 0;
    std::shared_ptr<store::Body> body_;
    std::uint64_t offset_ = 0;
    std::uint64_t messages_ = 0;
    std::uint64_t gone_ = 0;
    std::uint64_t damaged_ = 0;
    std::uint64_t octets_ = 0;
};

class MailExportCommand {
public:
    explicit MailExportCommand(store::Store& store) : store_(store) {}

    net::Task<base::Result<Reply>> run(net::Loop& loop, Value args) const {
        auto account = mail::parse_account_name(text_arg(args, "account"));
        if (!account) co_return base::fail(base::ErrorKind::protocol, "account: that is no address");
        // Asking for its mailboxes would make one that is not there.
        const auto known = co_await store_.accounts(loop);
        if (!known) co_return std::unexpected(known.error());
        if (std::ranges::find(*known, *account) == known->end())
            co_return base::fail(base::ErrorKind::permanent, "there is no account " + account->text());
        auto mailboxes = co_await store_.mailboxes(loop, *account);
        if (!mailboxes) co_return std::unexpected(mailboxes.error());
        Reply reply{.result = Value::list()};
        reply.parts = std::make_shared<MailParts>(store_, *std::move(account), std::move(*mailboxes));
        co_return reply;
    }

private:
    store::Store& store_;
};

}  // namespace

Handlers make_mail_export_handlers(store::Store& store) {
    const auto command = std::make_shared<MailExportCommand>(store);
    Handlers handlers;
    handlers["store.export"] = [command](net::Loop& loop, Value args) {
        return command->run(loop, std::move(args));
    };
    return handlers;
}

}  // namespace posthorn::control
