#include "control/import_command.hpp"

#include <fmt/format.h>

#include "control/arguments.hpp"
#include "control/imported.hpp"
#include "control/message_text.hpp"
#include "mail/line_check.hpp"

namespace posthorn::control {
namespace {

std::unexpected<base::Error> unfit(std::string why) {
    return base::fail(base::ErrorKind::protocol, std::move(why));
}

WantedEnvelope wanted(const Value& args) {
    WantedEnvelope out;
    const auto* sender = args.find("sender");
    if (sender != nullptr) out.sender = sender->text().empty() ? "<>" : std::string(sender->text());
    if (const auto* list = args.find("recipient")) {
        for (const auto& one : *list->items()) out.recipients.emplace_back(one.text());
    }
    return out;
}

// One message on its way in. The header is held until it is whole, the rest goes on as it comes.
class Import {
public:
    Import(const ImportDeps& deps, net::Loop& loop, Incoming& incoming, WantedEnvelope wanted)
        : deps_(deps), loop_(loop), incoming_(incoming), wanted_(std::move(wanted)), most_(deps.max_size()) {}

    // Reads all of it. Larger than is allowed: too_large().
    net::Task<base::Result<void>> read() {
        auto intake = deps_.queue.begin(loop_, 0);
        if (!intake) co_return std::unexpected(intake.error());
        intake_ = std::move(*intake);
        for (;;) {
            auto part = co_await incoming_.next();
            if (!part) co_return std::unexpected(part.error());
            if (!*part) break;
            for (const Value& item : **part) {
                const auto* bytes = item.as<Bytes>();
                if (bytes == nullptr) co_return unfit("a message comes as octets");
                auto taken = co_await take(bytes->octets);
                if (!taken || too_large()) co_return taken;
            }
        }
        if (!lines_.ended()) co_return unfit("its last line has no end");
        if (imported_) co_return base::Result<void>();
        auto begun = co_await take_header(head_);  // all header
        co_return begun;
    }

    bool too_large() const { return most_ != 0 && seen_ > most_; }
    std::uint64_t allowed() const { return most_; }

    mail::Envelope envelope(base::Ulid id) const {
        mail::Envelope out;
        out.id = id;
        out.reverse_path = imported_->sender;
        for (const auto& address : imported_->recipients) out.recipients.push_back({.address = address});
        out.body = lines_.eight_bit() ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
        out.smtputf8 = imported_->utf8;
        out.listener = "import";
        out.arrival = deps_.clock.wall();
        out.body_size = intake_->size();
        out.header_message_id = imported_->message_id;
        out.metadata["submitter_uid"] = std::to_string(incoming_.uid());
        return out;
    }
    const Imported& imported() const { return *imported_; }
    std::unique_ptr<spool::Intake> take_intake() { return std::move(intake_); }

private:
    net::Task<base::Result<void>> take(std::string_view octets) {
        seen_ += octets.size();
        if (!lines_.feed(octets)) co_return unfit("it holds a NUL, or a CR or LF that stands alone");
        if (imported_) {
            auto kept = co_await keep(octets);
            co_return kept;
        }
        const auto size = end_.take(octets);
        head_ += octets.substr(0, size);
        if (head_.size() > kMaxImportedHeader) co_return unfit("its header is too long");
        if (!end_.found()) co_return base::Result<void>();
        auto begun = co_await take_header(std::string_view(head_).substr(0, head_.size() - 2));
        if (begun) begun = co_await keep("\r\n");
        if (begun) begun = co_await keep(octets.substr(size));
        co_return begun;
    }

    net::Task<base::Result<void>> take_header(std::string_view header) {
        auto imported = read_imported(header, wanted_, deps_.hostname());
        if (!imported) co_return unfit(imported.error());
        imported_ = *std::move(imported);
        auto kept = co_await keep(imported_->header);
        co_return kept;
    }

    net::Task<base::Result<void>> keep(std::string_view octets) {
        if (!intake_->append(octets)) co_return base::Result<void>();
        auto flushed = co_await intake_->flush();
        co_return flushed;
    }

    const ImportDeps& deps_;
    net::Loop& loop_;
    Incoming& incoming_;
    const WantedEnvelope wanted_;
    const std::uint64_t most_;
    std::unique_ptr<spool::Intake> intake_;
    mail::LineCheck lines_;
    HeaderEnd end_;
    std::string head_;
    std::optional<Imported> imported_;
    std::uint64_t seen_ = 0;
};

class ImportCommand {
public:
    explicit ImportCommand(ImportDeps deps) : deps_(std::move(deps)), ids_(deps_.clock, deps_.random) {}

    net::Task<base::Result<Reply>> run(net::Loop& loop, Value args, Incoming& incoming) {
        const auto began = loop.now();
        Import import(deps_, loop, incoming, wanted(args));
        const base::Result<void> read = co_await import.read();
        if (!read) co_return std::unexpected(read.error());
        if (import.too_large()) {
            auto why = fmt::format("the message is larger than the {} octets that smtp.max_message_size allows",
                                   import.allowed());
            co_return Reply{.result = {}, .refused = std::move(why)};
        }
        auto envelope = import.envelope(ids_.next());
        const bool dry = flag_arg(args, "dry_run");
        auto result = told(envelope, dry);
        if (dry) co_return Reply{.result = std::move(result)};
        if (auto vetted = deps_.vetting(envelope, incoming.uid(), import.imported().header); !vetted)
            co_return std::unexpected(vetted.error());
        const base::Result<void> durable = co_await deps_.queue.commit(loop, envelope, import.take_intake());
        if (!durable) co_return std::unexpected(durable.error());
        deps_.taken(envelope, loop.now() - began);
        co_return Reply{.result = std::move(result)};
    }

private:
    static Value told(const mail::Envelope& envelope, bool dry) {
        auto recipients = Value::list();
        for (const auto& recipient : envelope.recipients) recipients.add(recipient.address.to_string());
        auto out = Value::map();
        if (dry)
            out.set("dry_run", true);
        else
            out.set("id", envelope.id.to_string());
        out.set("sender", "<" + envelope.reverse_path.to_string() + ">");
        return out.set("recipients", std::move(recipients)).set("size", envelope.body_size);
    }

    const ImportDeps deps_;
    base::UlidSource ids_;  // the admin loop's
};

}  // namespace

LongHandlers make_import_handlers(ImportDeps deps) {
    const auto command = std::make_shared<ImportCommand>(std::move(deps));
    LongHandlers handlers;
    // No coroutine itself: it makes one of a named method, which outlives no handler.
    handlers["queue.import"] = [command](net::Loop& loop, Value args, Incoming& incoming) {
        return command->run(loop, std::move(args), incoming);
    };
    return handlers;
}

}  // namespace posthorn::control
