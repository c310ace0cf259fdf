#include "control/queue_commands.hpp"

#include <fmt/format.h>

#include <set>

#include "control/arguments.hpp"
#include "control/message_text.hpp"
#include "control/views.hpp"
#include "mail/address.hpp"

namespace posthorn::control {
namespace {

using delivery::Changed;
using delivery::Selector;

constexpr std::string_view kUnderWay = "in an attempt: deleted when that ends, unless it is delivered";

// What became of each message; nothing done for a lone id is "not found".
base::Result<Reply> changed_reply(const base::Result<Changed>& changed, std::string_view done) {
    if (!changed) return std::unexpected(changed.error());
    if (changed->ids.empty() && changed->unknown.size() == 1)
        return base::fail(base::ErrorKind::permanent,
                          fmt::format("not in the queue: {}", changed->unknown.front().to_string()));
    Reply reply{.result = Value::list(), .info = Value::map()};
    const auto say = [&](const base::Ulid& id, std::string_view what) {
        reply.result.add(Value::map().set("id", id.to_string()).set("result", what));
    };
    const std::set<base::Ulid> going_on(changed->under_way.begin(), changed->under_way.end());
    for (const auto& id : changed->ids) say(id, going_on.contains(id) ? kUnderWay : done);
    for (const auto& id : changed->unknown) say(id, "not in the queue");
    reply.info.set("changed", changed->ids.size()).set("unknown", changed->unknown.size());
    return reply;
}

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

    net::Task<base::Result<Reply>> route(net::Loop&, Value args) const {
        const auto key = mail::domain_key(text_arg(args, "domain"));
        if (key.empty()) co_return base::fail(base::ErrorKind::protocol, "that is not a domain");
        auto lines = Value::list();
        for (const auto& line : delivery_.explain_route(key)) lines.add(line);
        co_return Reply{.result = std::move(lines), .info = {}};
    }

    net::Task<base::Result<Reply>> retry(net::Loop& loop, Value args) const {
        auto which = target(args, clock_.wall());
        if (!which) co_return std::unexpected(which.error());
        if (flag_arg(args, "dry_run")) co_return co_await tell(loop, *std::move(which));
        const auto changed = co_await delivery_.retry(loop, *std::move(which));
        co_return changed_reply(changed, "is tried again");
    }

    net::Task<base::Result<Reply>> process_now(net::Loop& loop, Value) const {
        const auto changed = co_await delivery_.retry(loop, Selector());
        co_return changed_reply(changed, "is tried again");
    }

    net::Task<base::Result<Reply>> freeze(net::Loop& loop, Value args) const {
        auto which = target(args, clock_.wall());
        if (!which) co_return std::unexpected(which.error());
        if (flag_arg(args, "dry_run")) co_return co_await tell(loop, *std::move(which));
        const auto changed = co_await delivery_.freeze(loop, *std::move(which));
        co_return changed_reply(changed, "frozen");
    }

    net::Task<base::Result<Reply>> unfreeze(net::Loop& loop, Value args) const {
        auto which = target(args, clock_.wall());
        if (!which) co_return std::unexpected(which.error());
        if (flag_arg(args, "dry_run")) co_return co_await tell(loop, *std::move(which));
        const auto changed = co_await delivery_.unfreeze(loop, *std::move(which));
        co_return changed_reply(changed, "unfrozen");
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
        const auto changed = co_await delivery_.cancel(loop, *std::move(which), bounce);
        co_return changed_reply(changed, bounce ? "given up, the sender is told" : "deleted");
    }

private:
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

using Method = net::Task<base::Result<Reply>> (QueueCommands::*)(net::Loop&, Value) const;

}  // namespace

void add_queue_handlers(Handlers& handlers, QueueDeps deps) {
    const auto commands = std::make_shared<QueueCommands>(deps);
    const std::pair<const char*, Method> methods[] = {
        {"queue.list", &QueueCommands::list},     {"queue.view", &QueueCommands::view},
        {"queue.stats", &QueueCommands::stats},   {"queue.route", &QueueCommands::route},
        {"queue.retry", &QueueCommands::retry},   {"queue.process-now", &QueueCommands::process_now},
        {"queue.freeze", &QueueCommands::freeze}, {"queue.unfreeze", &QueueCommands::unfreeze},
        {"queue.delete", &QueueCommands::remove},
    };
    for (const auto& [name, method] : methods) {
        // No coroutine itself: it makes one of a named method, which outlives no handler.
        handlers[name] = [commands, m = method](net::Loop& loop, Value args) {
            return ((*commands).*m)(loop, std::move(args));
        };
    }
    handlers.merge(make_export_handlers(deps.queue, deps.disk));
}

}  // namespace posthorn::control
