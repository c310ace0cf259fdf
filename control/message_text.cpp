#include "control/message_text.hpp"

#include "control/arguments.hpp"
#include "control/imported.hpp"
#include "delivery/message_source.hpp"

namespace posthorn::control {
namespace {

// Those that are still to be served: who has it already is not to get it again.
std::string pending_envelope(const spool::StoredMessage& stored) {
    std::vector<std::size_t> pending;
    for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
        if (!mail::is_final(stored.recipients[i].status)) pending.push_back(i);
    }
    return envelope_fields(stored.envelope, pending);
}

class MessageParts final : public Parts {
public:
    MessageParts(net::Loop& loop, net::Pool& disk, spool::StoredMessage stored, Extent extent)
        : envelope_(extent == Extent::with_envelope ? pending_envelope(stored) : std::string()),
          size_(envelope_.size()),
          source_(loop, &disk, std::make_shared<const mail::Envelope>(std::move(stored.envelope)),
                  std::move(stored.body)),
          extent_(extent) {}

    net::Task<base::Result<std::optional<Value>>> next(net::Loop&) override {
        if (!envelope_.empty())
            co_return std::optional<Value>(Value::list().add(Bytes{std::exchange(envelope_, {})}));
        if (header_.found() && extent_ == Extent::headers) co_return std::nullopt;
        const base::Result<std::string_view> piece = co_await source_.next(delivery::kPiece);
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) co_return std::nullopt;
        const auto size = extent_ == Extent::headers ? header_.take(*piece) : piece->size();
        co_return std::optional<Value>(Value::list().add(Bytes{std::string(piece->substr(0, size))}));
    }
    Value info() const override { return Value::map().set("size", size_ + source_.size()); }

private:
    std::string envelope_;  // what comes first, until it is given
    const std::uint64_t size_;
    delivery::MessageSource source_;
    const Extent extent_;
    HeaderEnd header_;
};

class ExportCommand {
public:
    ExportCommand(spool::Queue& queue, net::Pool& disk) : queue_(queue), disk_(disk) {}

    net::Task<base::Result<Reply>> run(net::Loop& loop, Value args) const {
        const auto id = base::Ulid::parse(text_arg(args, "id"));
        if (!id) co_return base::fail(base::ErrorKind::protocol, "that is not a message id");
        const auto extent = flag_arg(args, "as_sent") ? Extent::whole : Extent::with_envelope;
        auto parts = co_await message_parts(loop, queue_, disk_, *id, extent);
        if (!parts) co_return std::unexpected(parts.error());
        co_return Reply{.result = Value::list(), .parts = *std::move(parts)};
    }

private:
    spool::Queue& queue_;
    net::Pool& disk_;
};

}  // namespace

std::size_t HeaderEnd::take(std::string_view octets) {
    std::size_t at = 0;
    while (at < octets.size() && !found_) {
        const char c = octets[at++];
        if (c == '\n') {
            found_ = line_empty_;
            line_empty_ = true;
        } else if (c != '\r') {
            line_empty_ = false;
        }
    }
    return at;
}

net::Task<base::Result<std::shared_ptr<Parts>>> message_parts(net::Loop& loop, spool::Queue& queue, net::Pool& disk,
                                                              base::Ulid id, Extent extent) {
    base::Result<spool::StoredMessage> stored = co_await queue.load(loop, id);
    if (!stored) co_return std::unexpected(stored.error());
    co_return std::make_shared<MessageParts>(loop, disk, *std::move(stored), extent);
}

Handlers make_export_handlers(spool::Queue& queue, net::Pool& disk) {
    const auto command = std::make_shared<ExportCommand>(queue, disk);
    const NamedMethod<ExportCommand> methods[] = {{"queue.export", &ExportCommand::run}};
    return handlers_of(command, methods);
}

}  // namespace posthorn::control
