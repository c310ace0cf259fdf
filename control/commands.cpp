#include "control/commands.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.hpp"
#include "control/views.hpp"
#include "mail/address.hpp"

namespace posthorn::control {
namespace {

using delivery::ListQuery;
using delivery::Selection;

std::string_view text_arg(const Value& args, std::string_view name) {
    const auto* value = args.find(name);
    return value != nullptr ? value->text() : std::string_view{};
}

bool flag_arg(const Value& args, std::string_view name) {
    const auto* value = args.find(name);
    return value != nullptr && value->truth();
}

// The table has checked that they are ids.
std::vector<base::Ulid> ids_arg(const Value& args) {
    std::vector<base::Ulid> out;
    const auto* ids = args.find("ids");
    if (ids == nullptr) return out;
    for (const auto& id : *ids->items()) {
        if (const auto ulid = base::Ulid::parse(id.text())) out.push_back(*ulid);
    }
    return out;
}

ListQuery list_query(const Value& args, base::WallTime now) {
    using State = ListQuery::State;
    using Sort = ListQuery::Sort;
    ListQuery query;
    const auto state = text_arg(args, "state");
    if (state == "active")
        query.state = State::active;
    else if (state == "waiting")
        query.state = State::waiting;
    else if (state == "deferred")
        query.state = State::deferred;
    else if (state == "frozen")
        query.state = State::frozen;
    const auto sort = text_arg(args, "sort");
    if (sort == "next_try")
        query.sort = Sort::next_try;
    else if (sort == "attempts")
        query.sort = Sort::attempts;
    else if (sort == "size")
        query.sort = Sort::size;
    query.domain = text_arg(args, "domain");
    query.sender = text_arg(args, "sender");
    query.recipient = text_arg(args, "recipient");
    query.descending = flag_arg(args, "descending");
    const auto before = [now](std::string_view age) {
        return now - std::chrono::duration_cast<std::chrono::milliseconds>(*base::parse_duration(age));
    };
    if (const auto age = text_arg(args, "older_than"); !age.empty()) query.arrived_before = before(age);
    if (const auto age = text_arg(args, "newer_than"); !age.empty()) query.arrived_after = before(age);
    if (const auto* limit = args.find("limit")) query.limit = static_cast<std::size_t>(*limit->integer());
    return query;
}

base::Result<Selection> selection(const Value& args) {
    const bool all = flag_arg(args, "all");
    const auto domain = text_arg(args, "domain");
    auto ids = ids_arg(args);
    if (static_cast<int>(all) + static_cast<int>(!domain.empty()) + static_cast<int>(!ids.empty()) != 1)
        return base::fail(base::ErrorKind::protocol, "which messages? give their ids, or a domain, or all");
    if (all) return Selection{.kind = Selection::Kind::everything};
    if (!ids.empty()) return Selection{.kind = Selection::Kind::ids, .ids = std::move(ids)};
    auto key = mail::domain_key(domain);
    if (key.empty()) return base::fail(base::ErrorKind::protocol, fmt::format("\"{}\" is not a domain", domain));
    return Selection{.kind = Selection::Kind::domain, .domain = std::move(key)};
}

// How many, and which ids are not in the queue; nothing done for any of several ids is "not found".
base::Result<Reply> changed_reply(const base::Result<delivery::Changed>& changed) {
    if (!changed) return std::unexpected(changed.error());
    auto unknown = Value::list();
    for (const auto& id : changed->unknown) unknown.add(id.to_string());
    if (changed->count == 0 && !changed->unknown.empty())
        return base::fail(base::ErrorKind::permanent,
                          fmt::format("not in the queue: {}", changed->unknown.front().to_string()));
    auto result = Value::map();
    result.set("changed", changed->count).set("unknown", std::move(unknown));
    return Reply{.result = std::move(result)};
}

class Commands {
public:
    Commands(System& system, delivery::Service& delivery, const base::Clock& clock)
        : system_(system), delivery_(delivery), clock_(clock) {}

    net::Task<base::Result<Reply>> ping(net::Loop&, Value) const {
        auto result = Value::map();
        result.set("pong", true).set("time", base::format_time(clock_.wall()));
        co_return Reply{.result = std::move(result)};
    }

    net::Task<base::Result<Reply>> status(net::Loop& loop, Value) const {
        base::Result<Value> status = co_await system_.status(loop);
        if (!status) co_return std::unexpected(status.error());
        co_return Reply{.result = *std::move(status)};
    }

    net::Task<base::Result<Reply>> list(net::Loop& loop, Value args) const {
        ListQuery query = list_query(args, clock_.wall());
        const base::Result<delivery::ListResult> found = co_await delivery_.list(loop, std::move(query));
        if (!found) co_return std::unexpected(found.error());
        Reply reply{.result = Value::list(), .info = Value::map()};
        for (const auto& message : found->messages) reply.result.add(list_item(message));
        reply.info.set("matched", found->matched).set("truncated", found->truncated);
        co_return reply;
    }

    net::Task<base::Result<Reply>> view(net::Loop& loop, Value args) const {
        const auto id = base::Ulid::parse(text_arg(args, "id"));
        if (!id) co_return base::fail(base::ErrorKind::protocol, "that is not a message id");
        const base::Result<delivery::MessageView> found = co_await delivery_.view(loop, *id);
        if (!found) co_return std::unexpected(found.error());
        co_return Reply{.result = message_view(*found)};
    }

    net::Task<base::Result<Reply>> stats(net::Loop& loop, Value) const {
        const base::Result<delivery::Stats> found = co_await delivery_.stats(loop);
        if (!found) co_return std::unexpected(found.error());
        co_return Reply{.result = stats_view(*found)};
    }

    net::Task<base::Result<Reply>> route(net::Loop&, Value args) const {
        const auto key = mail::domain_key(text_arg(args, "domain"));
        if (key.empty()) co_return base::fail(base::ErrorKind::protocol, "that is not a domain");
        auto lines = Value::list();
        for (const auto& line : delivery_.explain_route(key)) lines.add(line);
        co_return Reply{.result = std::move(lines)};
    }

    net::Task<base::Result<Reply>> retry(net::Loop& loop, Value args) const {
        auto which = selection(args);
        if (!which) co_return std::unexpected(which.error());
        const auto changed = co_await delivery_.retry(loop, *std::move(which));
        co_return changed_reply(changed);
    }

    net::Task<base::Result<Reply>> freeze(net::Loop& loop, Value args) const {
        auto which = selection(args);
        if (!which) co_return std::unexpected(which.error());
        const auto changed = co_await delivery_.freeze(loop, *std::move(which));
        co_return changed_reply(changed);
    }

    net::Task<base::Result<Reply>> unfreeze(net::Loop& loop, Value args) const {
        auto which = selection(args);
        if (!which) co_return std::unexpected(which.error());
        const auto changed = co_await delivery_.unfreeze(loop, *std::move(which));
        co_return changed_reply(changed);
    }

    net::Task<base::Result<Reply>> remove(net::Loop& loop, Value args) const {
        auto ids = ids_arg(args);
        const bool bounce = flag_arg(args, "bounce");
        const auto changed = co_await delivery_.cancel(loop, std::move(ids), bounce);
        co_return changed_reply(changed);
    }

private:
    System& system_;
    delivery::Service& delivery_;
    const base::Clock& clock_;
};

using Method = net::Task<base::Result<Reply>> (Commands::*)(net::Loop&, Value) const;

}  // namespace

Handlers make_handlers(System& system, delivery::Service& delivery, const base::Clock& clock) {
    const auto commands = std::make_shared<Commands>(system, delivery, clock);
    const std::pair<const char*, Method> methods[] = {
        {"system.ping", &Commands::ping},        {"system.status", &Commands::status},
        {"queue.list", &Commands::list},         {"queue.view", &Commands::view},
        {"queue.stats", &Commands::stats},       {"queue.route", &Commands::route},
        {"queue.retry", &Commands::retry},       {"queue.freeze", &Commands::freeze},
        {"queue.unfreeze", &Commands::unfreeze}, {"queue.delete", &Commands::remove},
    };
    Handlers handlers;
    for (const auto& [name, method] : methods) {
        // No coroutine itself: it makes one of a named method, which outlives no handler.
        handlers[name] = [commands, m = method](net::Loop& loop, Value args) {
            return ((*commands).*m)(loop, std::move(args));
        };
    }
    return handlers;
}

}  // namespace posthorn::control
