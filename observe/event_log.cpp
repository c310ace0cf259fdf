#include "observe/event_log.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/units.hpp"

namespace posthorn::observe {
namespace {

using base::log::Field;
using base::log::Level;
using mail::Event;
using mail::EventKind;

struct Line {
    std::string_view event;  // a session's events are "smtp.*", a message's "message.*"
    Level level;
};

Line line(EventKind kind) {
    switch (kind) {
        case EventKind::connected: return {"smtp.connected", Level::info};
        case EventKind::disconnected: return {"smtp.disconnected", Level::info};
        case EventKind::tls_started: return {"smtp.tls", Level::debug};
        case EventKind::rejected: return {"smtp.rejected", Level::info};
        case EventKind::accepted: return {"message.accepted", Level::info};
        case EventKind::attempt: return {"message.attempt", Level::debug};
        case EventKind::delivered: return {"message.delivered", Level::info};
        case EventKind::deferred: return {"message.deferred", Level::info};
        case EventKind::bounced: return {"message.bounced", Level::info};
        case EventKind::expired: return {"message.expired", Level::info};
        case EventKind::dsn_sent: return {"message.dsn_sent", Level::info};
        case EventKind::frozen: return {"message.frozen", Level::notice};
        case EventKind::unfrozen: return {"message.unfrozen", Level::notice};
        case EventKind::cancelled: return {"message.cancelled", Level::notice};
        case EventKind::rate_limited: return {"delivery.rate_limited", Level::debug};
        case EventKind::security: return {"security.warning", Level::warning};
        case EventKind::quarantined: return {"message.quarantined", Level::error};
        case EventKind::login_refused: return {"auth.refused", Level::debug};  // see record()
        case EventKind::done: return {"message.done", Level::debug};
    }
    return {"message.event", Level::info};
}

// Kinds whose sender means something even when it is empty: "<>".
bool has_sender(EventKind kind) {
    return kind == EventKind::accepted || kind == EventKind::delivered || kind == EventKind::deferred ||
           kind == EventKind::bounced || kind == EventKind::expired || kind == EventKind::attempt;
}

double milliseconds(base::Duration d) {
    return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(d).count()) / 1000.0;
}

// The detail of a deferred or held back recipient is the time of its next try in milliseconds since 1970.
std::optional<base::WallTime> next_try_of(const Event& event) {
    std::int64_t ms = 0;
    const auto* end = event.detail.data() + event.detail.size();
    if ((event.kind != EventKind::deferred && event.kind != EventKind::rate_limited) ||
        std::from_chars(event.detail.data(), end, ms).ptr != end || ms == 0)
        return std::nullopt;
    return base::from_ms(ms);
}

// Then the text says why.
bool went_wrong(const Event& event) {
    switch (event.kind) {
        case EventKind::rejected:
        case EventKind::deferred:
        case EventKind::bounced:
        case EventKind::expired:
        case EventKind::quarantined: return true;
        case EventKind::attempt: return !event.status.starts_with('2');
        default: return false;
    }
}

// The span that a line's span_id names.
const std::string& span_of(const Event& event) {
    static const std::string session = "smtp_session";
    static const std::string delivery = "deliver_message";
    return event.kind != EventKind::accepted && !event.parent_span.empty() ? delivery : session;
}

constexpr std::array<std::string_view, 4> kDelayKeys = {"delay_before_queue_ms", "delay_queue_ms",
                                                        "delay_connect_ms", "delay_transmit_ms"};
constexpr std::size_t kMaxExtra = 12;
constexpr std::size_t kMaxFields = 28 + kMaxExtra;

// The fields of one line on the stack: a hot path.
class Fields {
public:
    void text(std::string_view key, const std::string& value) {
        if (!value.empty()) add({key, value});
    }
    void add(Field field) {
        if (count_ < fields_.size()) fields_[count_++].emplace(field);
    }
    void write(const Line& to) const {
        std::array<Field, kMaxFields> plain = filled(std::make_index_sequence<kMaxFields>{});
        base::log::write(to.level, to.event, plain.data(), count_);
    }

private:
    template <std::size_t... I>
    std::array<Field, kMaxFields> filled(std::index_sequence<I...>) const {
        return {fields_[I].value_or(Field("", false))...};
    }
    std::array<std::optional<Field>, kMaxFields> fields_;
    std::size_t count_ = 0;
};

}  // namespace

void EventLog::record(const Event& event) {
    if (event.kind == EventKind::login_refused) return;  // auth/ tells every login, also those that succeed
    const Line to = line(event.kind);
    if (!base::log::enabled(to.level)) return;
    Fields fields;
    const std::string id = event.message_id ? event.message_id->to_string() : std::string{};
    fields.text("message_id", id);
    fields.text("session_id", event.session);
    fields.text("client_ip", event.client_ip);
    if (has_sender(event.kind) || !event.sender.empty()) fields.add({"sender", event.sender});
    fields.text("recipient", event.recipient);
    if (!event.recipients.empty()) fields.add({"recipient_count", event.recipients.size()});
    fields.text("domain", event.domain);
    fields.text("server", event.remote_host);
    fields.text("server_ip", event.remote_ip);
    fields.text("tls", event.tls);
    if (event.code != 0) fields.add({"smtp_code", event.code});
    fields.text("enhanced_code", event.status);
    fields.text(went_wrong(event) ? "error" : "text", event.text);
    const auto next_try = next_try_of(event);
    const std::string next = next_try ? base::format_time(*next_try) : std::string{};
    if (next_try) {
        fields.add({"next_try", next});
        fields.add({"retry_delay_secs", std::chrono::duration<double>(*next_try - event.at).count()});
    } else if (event.detail != "0") {
        fields.text("detail", event.detail);
    }
    fields.text("header_message_id", event.header_message_id);
    if (event.size != 0) fields.add({"size", event.size});
    if (event.attempt != 0) fields.add({"delivery_attempt", event.attempt});
    if (event.elapsed != base::Duration::zero()) fields.add({"elapsed_ms", milliseconds(event.elapsed)});
    for (std::size_t i = 0; i < kDelayKeys.size(); ++i) {
        if (event.delays[i] != base::Duration::zero()) fields.add({kDelayKeys[i], milliseconds(event.delays[i])});
    }
    if (!event.trace.trace_id.empty()) fields.text("span", span_of(event));
    fields.text("trace_id", event.trace.trace_id);
    fields.text("span_id", event.trace.span_id);
    for (std::size_t i = 0; i < event.extra.size() && i < kMaxExtra; ++i)
        fields.add({event.extra[i].first, event.extra[i].second});
    fields.write(to);
}

}  // namespace posthorn::observe
