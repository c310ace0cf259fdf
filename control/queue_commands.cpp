#include "control/queue_commands.hpp"

#include <fmt/format.h>

#include "control/arguments.hpp"
#include "control/message_text.hpp"
#include "control/views.hpp"
#include "mail/address.hpp"

namespace posthorn::control {
namespace {

using delivery::Order;
using delivery::Ordered;
using delivery::Selector;

// A list page by page, as it is found.
class Pages final : public Parts {
public:
    explicit Pages(std::unique_ptr<delivery::Listing> listing) : listing_(std::move(listing)) {}
    net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) override {
        auto page = co_await listing_->next(loop);
        if (!page) co_return std::unexpected(page.error());
        if (!*page) co_return std::nullopt;
        auto items = Value::list();
        for (const auto& message : **page) items.add(list_item(message));
        co_return std::move(items);
    }
    Value info() const override {
        const auto& summary = listing_->summary();
        auto info = Value::map();
        info.set("matched", summary.matched).set("given", summary.given).set("truncated", summary.truncated);
        return info;
    }

private:
    std::unique_ptr<delivery::Listing> listing_;
};

// An order as it is carried out: what became of each message.
class Orders final : public Parts {
public:
    Orders(std::unique_ptr<delivery::Ordering> ordering, std::string_view done)
        : ordering_(std::move(ordering)), done_(done) {}
    net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) override {
        auto part = co_await ordering_->next(loop);
        if (!part) co_return std::unexpected(part.error());
        if (!*part) co_return std::nullopt;
        auto items = Value::list();
        for (const auto& [id, how] : **part) {
            items.add(Value::map().set("id", id.to_string()).set("result", text(how)));
            ++(how == Ordered::How::unknown ? unknown_ : changed_);
        }
        co_return std::move(items);
    }
    Value info() const override { return Value::map().set("changed", changed_).set("unknown", unknown_); }
    std::uint64_t changed() const { return changed_; }
    std::uint64_t unknown() const { return unknown_; }

private:
    std::string_view text(Ordered::How how) const {
        switch (how) {
            case Ordered::How::done: return done_;
            case Ordered::How::under_way: return "in an attempt: deleted when that ends, unless it is delivered";
            case Ordered::How::unknown: return "not in the queue";
        }
        return {};
    }

    std::unique_ptr<delivery::Ordering> ordering_;
    std::string_view done_;
    std::uint64_t changed_ = 0;
    std::uint64_t unknown_ = 0;
};

class QueueCommands {
public:
    explicit QueueCommands(QueueDeps deps)
        : delivery_(deps.delivery), queue_(deps.queue), disk_(deps.disk), clock_(deps.clock) {}

    net::Task<base::Result<Reply>> list(net::Loop&, Value args) const {
        auto query = list_query(args, clock_.wall());
        if (!query) co_return std::unexpected(query.error());
        Reply reply{.result = Value::list(), .info = {}};
        reply.parts = std::make_shared<Pages>(delivery_.list(*std::move(query)));
        co_return reply;
    }

    net::Task<base::Result<Reply>> view(net::Loop& loop, Value args) const {
        const auto id = base::Ulid::parse(text_arg(args, "id"));
        if (!id) co_return base::fail(base::ErrorKind::protocol, "that is not a message id");
        const base::Result<delivery::MessageView> found = co_await delivery_.view(loop, *id);
        if (!found) co_return std::unexpected(found.error());
        const bool whole = flag_arg(args, "body");
        if (!whole && !flag_arg(args, "headers")) co_return Reply{.result = message_view(*found), .info = {}};
        auto parts = co_await message_parts(loop, queue_, disk_, *id, whole ? Extent::whole : Extent::headers);
        if (!parts) co_return std::unexpected(parts.error());
        co_return Reply{.result = Value::list().add(message_view(*found)), .parts = *std::move(parts)};
    }

    net::Task<base::Result<Reply>> stats(net::Loop& loop, Value) const {
        const base::Result<delivery::Stats> found = co_await delivery_.stats(loop);
        if (!found) co_return std::unexpected(found.error());
        co_return Reply{.result = stats_view(*found), .info = {}};
    }

    net::Task<base::Result<Reply>> retry(net::Loop& loop, Value args) const {
        auto which = target(args, clock_.wall());
        if (!which) co_return std::unexpected(which.error());
        if (flag_arg(args, "dry_run")) co_return co_await tell(loop, *std::move(which));
        co_return co_await carry_out(loop, Order::retry, *std::move(which), "is tried again");
    }

    net::Task<base::Result<Reply>> process_now(net::Loop& loop, Value) const {
        co_return co_await carry_out(loop, Order::retry, Selector(), "is tried again");
    }

    net::Task<base::Result<Reply>> freeze(net::Loop& loop, Value args) const {
        auto which = target(args, clock_.wall());
        if (!which) co_return std::unexpected(which.error());
        if (flag_arg(args, "dry_run")) co_return co_await tell(loop, *std::move(which));
        co_return co_await carry_out(loop, Order::freeze, *std::move(which), "frozen");
    }

    net::Task<base::Result<Reply>> unfreeze(net::Loop& loop, Value args) const {
        auto which = target(args, clock_.wall());
        if (!which) co_return std::unexpected(which.error());
        if (flag_arg(args, "dry_run")) co_return co_await tell(loop, *std::move(which));
        co_return co_await carry_out(loop, Order::unfreeze, *std::move(which), "unfrozen");
    }

    net::Task<base::Result<Reply>> redirect(net::Loop& loop, Value args) const {
        const auto id = base::Ulid::parse(text_arg(args, "id"));
        if (!id) co_return base::fail(base::ErrorKind::protocol, "that is not a message id");
        const auto to = mail::parse_address(text_arg(args, "to"));
        if (!to) co_return base::fail(base::ErrorKind::protocol, "that is not a mail address");
        const auto done = co_await delivery_.redirect(loop, *id, *to);
        if (!done) co_return std::unexpected(done.error());
        auto result = Value::map();
        result.set("id", id->to_string()).set("result", "redirected").set("recipients", done->recipients);
        result.set("to", to->to_string()).set("as", done->as.to_string());
        co_return Reply{.result = std::move(result), .info = {}};
    }

    net::Task<base::Result<Reply>> remove(net::Loop& loop, Value args) const {
        auto which = target(args, clock_.wall());
        if (!which) co_return std::unexpected(which.error());
        if (flag_arg(args, "dry_run")) co_return co_await tell(loop, *std::move(which));
        if (!flag_arg(args, "yes"))
            co_return base::fail(
                base::ErrorKind::protocol,
                "what is deleted is gone: say yes to that, or dry_run to see how many it would be");
        const bool bounce = flag_arg(args, "bounce");
        co_return co_await carry_out(loop, bounce ? Order::bounce : Order::cancel, *std::move(which),
                                     bounce ? "given up, the sender is told" : "deleted");
    }

private:
    // Nothing done for a lone id is "not found". `done` is a literal.
    net::Task<base::Result<Reply>> carry_out(net::Loop& loop, Order order, Selector which,
                                             std::string_view done) const {
        std::optional<base::Ulid> lone;
        if (which.ids.size() == 1) lone = which.ids.front();
        const auto parts = std::make_shared<Orders>(delivery_.order(order, std::move(which)), done);
        auto first = co_await parts->next(loop);
        if (!first) co_return std::unexpected(first.error());
        if (lone && parts->unknown() == 1)
            co_return base::fail(base::ErrorKind::permanent,
                                 fmt::format("not in the queue: {}", lone->to_string()));
        Reply reply{.result = *first ? **std::move(first) : Value::list(), .info = {}};
        reply.parts = parts;
        co_return reply;
    }

    // A dry run: how many it would be about.
    net::Task<base::Result<Reply>> tell(net::Loop& loop, Selector which) const {
        const auto selected = co_await delivery_.select(loop, std::move(which));
        if (!selected) co_return std::unexpected(selected.error());
        auto result = Value::map();
        result.set("dry_run", true).set("messages", selected->ids.size()).set("unknown", selected->unknown.size());
        co_return Reply{.result = std::move(result), .info = {}};
    }

    delivery::Service& delivery_;
    spool::Queue& queue_;
    net::Pool& disk_;
    const base::Clock& clock_;
};

}  // namespace

void add_queue_handlers(Handlers& handlers, QueueDeps deps) {
    const auto commands = std::make_shared<QueueCommands>(deps);
    const NamedMethod<QueueCommands> methods[] = {
        {"queue.list", &QueueCommands::list},
        {"queue.view", &QueueCommands::view},
        {"queue.stats", &QueueCommands::stats},
        {"queue.retry", &QueueCommands::retry},
        {"queue.process-now", &QueueCommands::process_now},
        {"queue.freeze", &QueueCommands::freeze},
        {"queue.unfreeze", &QueueCommands::unfreeze},
        {"queue.delete", &QueueCommands::remove},
        {"queue.redirect", &QueueCommands::redirect},
    };
    handlers.merge(handlers_of(commands, methods));
    handlers.merge(make_export_handlers(deps.queue, deps.disk));
}

}  // namespace posthorn::control
