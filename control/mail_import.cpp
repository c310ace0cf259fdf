#include <algorithm>
#include <set>

#include "base/ascii.hpp"
#include "base/sha256.hpp"
#include "control/arguments.hpp"
#include "control/mail_commands.hpp"
#include "mail/summary.hpp"

namespace posthorn::control {
namespace {

constexpr std::size_t kFeed = std::size_t{64} << 10U;  // octets looked at before others have their turn

// Beyond every delivery of the spool, so that it is never forgotten (Store::forget_deliveries): 2200-01-01.
constexpr std::uint64_t kImportTime = 7'258'118'400'000;

std::unexpected<base::Error> unfit(std::string why) {
    return base::fail(base::ErrorKind::protocol, std::move(why));
}

// The same message of the same source has the same id at each run: the store takes it once.
base::Ulid id_of(std::string_view source, std::string_view mailbox, std::string_view key) {
    std::string text = "import";
    for (const auto part : {source, mailbox, key}) {
        text += '\0';
        text += part;
    }
    const auto sum = base::sha256(text);
    base::Ulid id;
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(kImportTime >> (40 - 8 * i));
    std::copy_n(sum.begin(), 10, id.bytes.begin() + 6);
    return id;
}

store::Flags system_flag(std::string_view name) {
    using namespace store::flag;
    for (const auto& [text, bit] : {std::pair<std::string_view, store::Flags>{"\\Seen", seen},
                                    {"\\Answered", answered},
                                    {"\\Flagged", flagged},
                                    {"\\Deleted", deleted},
                                    {"\\Draft", draft}}) {
        if (base::iequals(name, text)) return bit;
    }
    return 0;
}

// One run. On the admin loop.
class MailImport {
public:
    MailImport(store::Store& store, net::Loop& loop, mail::AccountName account, std::string source)
        : store_(store), loop_(loop), account_(std::move(account)), source_(std::move(source)) {}

    net::Task<base::Result<void>> run(Incoming& incoming) {
        for (;;) {
            auto part = co_await incoming.next();
            if (!part) co_return std::unexpected(part.error());
            if (!*part) break;
            for (const Value& item : **part) {
                base::Result<void> taken;
                if (const auto* bytes = item.as<Bytes>())
                    taken = co_await take(bytes->octets);
                else
                    taken = co_await begin(item);
                if (!taken) co_return taken;
            }
        }
        co_return co_await end();
    }

    Value told() const {
        return Value::map()
            .set("account", account_.text())
            .set("messages", messages_)
            .set("known", known_)
            .set("mailboxes", mailboxes_.size())
            .set("size", octets_);
    }

private:
    net::Task<base::Result<void>> begin(Value item) {
        auto ended = co_await end();
        if (!ended) co_return ended;
        const auto* mailbox = item.find("mailbox");
        const auto* key = item.find("key");
        const auto* received = item.find("received");
        if (mailbox == nullptr || key == nullptr || received == nullptr || !received->integer())
            co_return unfit("a message wants mailbox, key and received");
        auto name = store::mailbox_name(mailbox->text());
        if (!name) co_return unfit("no mailbox can have the name \"" + std::string(mailbox->text()) + '"');
        delivery_ = store::Delivery();
        delivery_.id = id_of(source_, *name, key->text());
        delivery_.mailbox = *std::move(name);
        delivery_.create_mailbox = true;
        delivery_.message.received = base::from_ms(*received->integer());
        if (const auto* flags = item.find("flags"); flags != nullptr && flags->items() != nullptr) {
            for (const auto& flag : *flags->items()) {
                if (const auto bit = system_flag(flag.text()); bit != 0)
                    delivery_.message.system |= bit;
                else if (store::valid_keyword(flag.text()))
                    delivery_.message.keywords.emplace_back(flag.text());
            }
        }
        auto upload = co_await store_.upload(loop_, account_, 0);
        if (!upload) co_return std::unexpected(upload.error());
        upload_ = std::move(*upload);
        summary_ = mail::SummaryBuilder();
        co_return base::Result<void>();
    }

    net::Task<base::Result<void>> take(std::string_view octets) {
        if (!upload_) co_return unfit("octets before a message has begun");
        while (!octets.empty()) {
            const auto piece = octets.substr(0, kFeed);
            octets.remove_prefix(piece.size());
            summary_.feed(piece);
            auto written = co_await upload_->write(loop_, std::string(piece));
            if (!written) co_return written;
            if (!octets.empty()) co_await net::yield(loop_);
        }
        co_return base::Result<void>();
    }

    net::Task<base::Result<void>> end() {
        if (!upload_) co_return base::Result<void>();
        const auto size = upload_->size();
        if (size == 0) co_return unfit("a message without octets");
        const auto summary = summary_.finish();
        auto& message = delivery_.message;
        message.thread_keys = mail::thread_keys(summary.thread);
        message.summary = std::make_shared<const std::string>(mail::encode_summary(summary));
        message.body = upload_->finish();
        upload_.reset();
        if (mailboxes_.insert(delivery_.mailbox).second) {
            const auto listed = co_await store_.subscribe(loop_, account_, delivery_.mailbox, true);
            if (!listed) co_return std::unexpected(listed.error());
        }
        const auto added = co_await store_.deliver(loop_, account_, std::move(delivery_));
        if (!added) co_return std::unexpected(added.error());
        (added->duplicate ? known_ : messages_) += 1;
        octets_ += added->duplicate ? 0 : size;
        co_return base::Result<void>();
    }

    store::Store& store_;
    net::Loop& loop_;
    const mail::AccountName account_;
    const std::string source_;
    store::Delivery delivery_;
    std::unique_ptr<store::Upload> upload_;  // of the message at hand
    mail::SummaryBuilder summary_;
    std::set<std::string> mailboxes_;
    std::uint64_t messages_ = 0;
    std::uint64_t known_ = 0;
    std::uint64_t octets_ = 0;
};

class MailImportCommand {
public:
    explicit MailImportCommand(store::Store& store) : store_(store) {}

    net::Task<base::Result<Reply>> run(net::Loop& loop, Value args, Incoming& incoming) const {
        auto account = mail::parse_account_name(text_arg(args, "account"));
        if (!account) co_return unfit("account: that is no address");
        MailImport import(store_, loop, *std::move(account), std::string(text_arg(args, "source")));
        const base::Result<void> done = co_await import.run(incoming);
        if (!done) co_return std::unexpected(done.error());
        co_return Reply{.result = import.told()};
    }

private:
    store::Store& store_;
};

}  // namespace

LongHandlers make_mail_import_handlers(store::Store& store) {
    const auto command = std::make_shared<MailImportCommand>(store);
    LongHandlers handlers;
    // No coroutine itself: it makes one of a named method, which outlives no handler.
    handlers["store.import"] = [command](net::Loop& loop, Value args, Incoming& incoming) {
        return command->run(loop, std::move(args), incoming);
    };
    return handlers;
}

}  // namespace posthorn::control
