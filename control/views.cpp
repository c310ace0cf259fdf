#include "control/views.hpp"

#include <algorithm>

#include "base/units.hpp"

namespace posthorn::control {
namespace {

std::string_view name(mail::RecipientStatus status) {
    using mail::RecipientStatus;
    switch (status) {
        case RecipientStatus::pending: return "pending";
        case RecipientStatus::delivered: return "delivered";
        case RecipientStatus::failed: return "failed";
        case RecipientStatus::expired: return "expired";
        case RecipientStatus::cancelled: return "cancelled";
        case RecipientStatus::redirected: return "redirected";
    }
    return "";
}

Value time(const std::optional<base::WallTime>& t) { return t ? Value(base::format_time(*t)) : Value(); }

Value outcome(const mail::Outcome& outcome) {
    auto out = Value::map();
    out.set("code", outcome.code).set("status", outcome.status).set("text", outcome.text);
    out.set("remote_host", outcome.remote_host).set("remote_ip", outcome.remote_ip).set("tls", outcome.tls);
    out.set("at", base::format_time(outcome.at));
    return out;
}

Value recipient(const delivery::RecipientView& r) {
    auto out = Value::map();
    out.set("address", r.address).set("status", name(r.status)).set("attempts", r.attempts);
    out.set("next_try", time(r.next_try)).set("why", delivery::name(r.why)).set("why_text", r.why_text);
    if (r.attempts > 0) {
        out.set("last_reply", r.last.text);
        out.set("last", outcome(r.last));
    }
    return out;
}

// What stands about the message as a whole: that of the pending recipient that comes next.
const delivery::RecipientView* next_recipient(const delivery::MessageView& message) {
    const delivery::RecipientView* next = nullptr;
    for (const auto& r : message.recipients) {
        if (mail::is_final(r.status)) continue;
        if (next == nullptr || (r.next_try && (!next->next_try || *r.next_try < *next->next_try))) next = &r;
    }
    return next;
}

Value recipients(const delivery::MessageView& message, std::size_t limit) {
    auto out = Value::list();
    for (const auto& r : message.recipients) {
        if (out.items()->size() == limit) break;
        out.add(recipient(r));
    }
    return out;
}

}  // namespace

Value list_item(const delivery::MessageView& message) {
    auto out = Value::map();
    const auto* next = next_recipient(message);
    std::uint32_t attempts = 0;
    for (const auto& r : message.recipients) attempts = std::max(attempts, r.attempts);
    out.set("id", message.id.to_string())
        .set("arrival", base::format_time(message.arrival))
        .set("size", message.size);
    out.set("sender", "<" + message.sender + ">").set("recipients", recipients(message, kMaxListedRecipients));
    out.set("attempts", attempts).set("frozen", message.frozen);
    out.set("why", next != nullptr ? delivery::name(next->why) : "final");
    out.set("next_try", next != nullptr ? time(next->next_try) : Value());
    return out;
}

Value message_view(const delivery::MessageView& message) {
    auto out = Value::map();
    out.set("id", message.id.to_string()).set("header_message_id", message.header_message_id);
    out.set("arrival", base::format_time(message.arrival)).set("size", message.size);
    out.set("sender", "<" + message.sender + ">").set("frozen", message.frozen);
    out.set("client_ip", message.client_ip).set("auth_user", message.auth_user);
    out.set("recipient_count", message.recipients.size());
    out.set("recipients", recipients(message, kMaxViewedRecipients));
    return out;
}

Value why(const delivery::DestinationStats& destination) {
    const bool idle = destination.waiting == 0 && destination.in_flight == 0;
    return idle ? Value() : Value(delivery::name(destination.why));
}

Value stats_view(const delivery::Stats& stats) {
    auto out = Value::map();
    out.set("messages", stats.messages).set("recipients_pending", stats.recipients_pending);
    out.set("in_flight", stats.in_flight).set("waiting", stats.waiting).set("deferred", stats.deferred);
    out.set("frozen", stats.frozen).set("everything_frozen", stats.everything_frozen);
    auto domains = Value::list();
    for (const auto& domain : stats.frozen_domains) domains.add(domain);
    out.set("frozen_domains", std::move(domains));
    auto destinations = Value::list();
    for (const auto& d : stats.destinations) {
        auto one = Value::map();
        one.set("destination", d.key).set("next_hop", d.next_hop).set("waiting", d.waiting);
        one.set("in_flight", d.in_flight).set("connections", d.connections).set("why", why(d));
        one.set("until", time(d.until)).set("last_error", d.last_error);
        destinations.add(std::move(one));
    }
    out.set("destinations", std::move(destinations));
    return out;
}

}  // namespace posthorn::control
