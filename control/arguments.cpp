#include "control/arguments.hpp"

#include "base/ulid.hpp"
#include "base/units.hpp"

namespace posthorn::control {
namespace {

using delivery::ListQuery;
using delivery::Selector;

std::unexpected<base::Error> unclear(std::string_view why) {
    return base::fail(base::ErrorKind::protocol, std::string(why));
}

Selector::Status status_arg(const Value& args) {
    const auto status = text_arg(args, "status");
    if (status == "pending") return Selector::Status::pending;
    if (status == "in-flight") return Selector::Status::in_flight;
    if (status == "deferred") return Selector::Status::deferred;
    if (status == "frozen") return Selector::Status::frozen;
    if (status == "failed") return Selector::Status::failed;
    return Selector::Status::any;
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

bool filters(const Selector& which) { return !which.domain_at_most() || !which.domain.empty(); }

}  // namespace

std::string_view text_arg(const Value& args, std::string_view name) {
    const auto* value = args.find(name);
    return value != nullptr ? value->text() : std::string_view{};
}

bool flag_arg(const Value& args, std::string_view name) {
    const auto* value = args.find(name);
    return value != nullptr && value->truth();
}

std::size_t limit_arg(const Value& args, std::size_t otherwise) {
    const auto* value = args.find("limit");
    return value != nullptr ? static_cast<std::size_t>(*value->integer()) : otherwise;
}

base::Result<Selector> selector(const Value& args, base::WallTime now) {
    Selector which;
    which.status = status_arg(args);
    which.domain = text_arg(args, "domain");
    which.sender = text_arg(args, "sender");
    which.recipient = text_arg(args, "recipient");
    which.reason = text_arg(args, "reason");
    const auto before = [now](std::string_view age) {
        return now - std::chrono::duration_cast<std::chrono::milliseconds>(*base::parse_duration(age));
    };
    if (const auto age = text_arg(args, "older_than"); !age.empty()) which.arrived_before = before(age);
    if (const auto age = text_arg(args, "newer_than"); !age.empty()) which.arrived_after = before(age);
    auto ids = ids_arg(args);
    if (ids.empty()) return which;
    if (filters(which) || flag_arg(args, "all")) return unclear("ids stand alone: no filter goes with them");
    which.ids = std::move(ids);
    return which;
}

base::Result<Selector> target(const Value& args, base::WallTime now) {
    auto which = selector(args, now);
    if (!which) return which;
    const bool all = flag_arg(args, "all");
    if (which->ids.empty() && !filters(*which) && !all)
        return unclear("which messages? give their ids, a filter, or all");
    return which;
}

base::Result<ListQuery> list_query(const Value& args, base::WallTime now) {
    auto which = selector(args, now);
    if (!which) return std::unexpected(which.error());
    using Sort = ListQuery::Sort;
    ListQuery query;
    query.which = *std::move(which);
    const auto sort = text_arg(args, "sort");
    if (sort == "next_try")
        query.sort = Sort::next_try;
    else if (sort == "attempts")
        query.sort = Sort::attempts;
    else if (sort == "size")
        query.sort = Sort::size;
    query.descending = flag_arg(args, "descending");
    if (const auto* limit = args.find("limit")) query.limit = static_cast<std::size_t>(*limit->integer());
    return query;
}

}  // namespace posthorn::control
