#include "delivery/reporter.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace posthorn::delivery {

namespace {

using base::seconds_bounds;
using mail::EventKind;
using mail::RecipientStatus;

double seconds(base::Duration d) { return std::chrono::duration<double>(d).count(); }

base::Counter& outcomes(base::Metrics& metrics, const char* result) {
    return metrics.counter("posthorn_delivery_outcomes_total", "Recipients by what an attempt or its end came to",
                           {{"result", result}});
}

base::Counter& dsns(base::Metrics& metrics, const char* kind) {
    return metrics.counter("posthorn_delivery_dsn_total", "Delivery status notifications made", {{"kind", kind}});
}

std::pair<EventKind, base::Counter*> classify(DeliveryMetrics& metrics, RecipientStatus status) {
    switch (status) {
        case RecipientStatus::delivered: return {EventKind::delivered, &metrics.delivered};
        case RecipientStatus::failed: return {EventKind::bounced, &metrics.bounced};
        case RecipientStatus::expired: return {EventKind::expired, &metrics.expired};
        case RecipientStatus::cancelled:
        case RecipientStatus::redirected: return {EventKind::cancelled, nullptr};
        case RecipientStatus::pending: break;
    }
    return {EventKind::deferred, &metrics.deferred};
}

mail::Event describe(const base::Ulid& id, const mail::Envelope* envelope, std::string_view domain,
                     base::WallTime now, const RecipientReport& report) {
    mail::Event event;
    event.at = now;
    event.message_id = id;
    event.domain = domain;
    if (envelope) {
        event.sender = envelope->reverse_path.to_string();
        event.recipient = envelope->recipients.at(report.index).address.to_string();
        event.header_message_id = envelope->header_message_id;
        event.size = envelope->body_size;
        event.trace = envelope->trace;
        if (report.trail) {
            event.parent_span = event.trace.span_id;
            event.trace.span_id = report.trail->span_id;
        }
    }
    const mail::Outcome& outcome = report.state.last;
    event.remote_host = outcome.remote_host;
    event.remote_ip = outcome.remote_ip;
    event.tls = outcome.tls;
    event.code = outcome.code;
    event.status = outcome.status;
    event.text = outcome.text;
    event.attempt = report.state.attempts;
    event.extra = report.where;
    return event;
}

void set_delays(mail::Event& event, const mail::Envelope* envelope, const RecipientReport& report) {
    event.elapsed = report.connecting + report.transmitting;
    if (envelope) event.delays[0] = report.entered - envelope->arrival;
    event.delays[1] = report.started - report.entered;
    event.delays[2] = report.connecting;
    event.delays[3] = report.transmitting;
}

}  // namespace

DeliveryMetrics::DeliveryMetrics(base::Metrics& metrics)
    : registry(metrics),
      delivered(outcomes(metrics, "delivered")),
      deferred(outcomes(metrics, "deferred")),
      bounced(outcomes(metrics, "bounced")),
      expired(outcomes(metrics, "expired")),
      messages_done(metrics.counter("posthorn_delivery_messages_done_total", "Messages with nothing left to do")),
      dsn_failure(dsns(metrics, "failure")),
      dsn_delay(dsns(metrics, "delay")),
      dsn_success(dsns(metrics, "success")),
      double_bounces(metrics.counter("posthorn_delivery_double_bounces_total",
                                     "Notifications that could not be delivered and were dropped")),
      record_failures(metrics.counter("posthorn_delivery_record_failures_total",
                                      "Outcomes whose recording failed and was repeated")),
      unrecorded(metrics.counter("posthorn_delivery_unrecorded_total",
                                 "Times a connection stood still because an outcome could not be recorded")),
      connections(metrics.gauge("posthorn_delivery_connections", "Open outgoing connections")),
      in_flight(metrics.gauge("posthorn_delivery_transactions", "Transactions under way")),
      attempt_seconds(metrics.histogram("posthorn_delivery_attempt_seconds",
                                        "Duration of attempts, connecting included", seconds_bounds())),
      queue_seconds(metrics.histogram("posthorn_delivery_queue_seconds",
                                      "From arrival to the end of the delivering attempt",
                                      {0.01, 0.1, 1, 10, 60, 600, 3600, 21600, 86400, 432000})),
      rate_limit_delay(metrics.histogram("posthorn_delivery_rate_limit_delay_seconds",
                                         "How long messages that the rate limit held back have waited",
                                         {0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 21600})) {}

void report_recipient(Shared& shared, const base::Ulid& id, const mail::Envelope* envelope, std::string_view domain,
                      base::WallTime now, const RecipientReport& report) {
    mail::Event event = describe(id, envelope, domain, now, report);
    if (report.attempted) {
        set_delays(event, envelope, report);
        shared.metrics.attempt_seconds.observe(seconds(event.elapsed));
        event.kind = EventKind::attempt;
        if (report.dialogue && report.state.status != RecipientStatus::delivered) event.dialogue = *report.dialogue;
        if (report.trail && report.tells_trail) event.steps = report.trail->steps;
        shared.deps.events.record(event);
        event.dialogue.clear();
        event.steps.clear();
    }
    const auto [kind, counter] = classify(shared.metrics, report.state.status);
    event.kind = kind;
    if (counter) counter->add();
    if (kind == EventKind::deferred) event.detail = std::to_string(base::to_ms(report.state.next_try));
    if (kind == EventKind::delivered && envelope) {
        shared.metrics.queue_seconds.observe(seconds(now - envelope->arrival));
    }
    shared.deps.events.record(event);
}

void report_done(Shared& shared, const base::Ulid& id, base::WallTime arrival, base::WallTime now) {
    shared.metrics.messages_done.add();
    mail::Event event;
    event.kind = EventKind::done;
    event.at = now;
    event.message_id = id;
    event.elapsed = std::max<base::Duration>(now - arrival, base::Duration{});  // an operator may end a hold
    shared.deps.events.record(event);
}

void report_dsn(Shared& shared, const base::Ulid& parent, const mail::Envelope& dsn, DsnKind kind,
                base::WallTime now) {
    mail::Event event;
    event.kind = EventKind::dsn_sent;
    event.at = now;
    event.message_id = parent;
    event.recipient = dsn.recipients.at(0).address.to_string();
    event.detail = dsn.id.to_string();
    switch (kind) {
        case DsnKind::failure:
            event.detail += " failure";
            shared.metrics.dsn_failure.add();
            break;
        case DsnKind::delay:
            event.detail += " delay";
            shared.metrics.dsn_delay.add();
            break;
        case DsnKind::success:
            event.detail += " success";
            shared.metrics.dsn_success.add();
            break;
    }
    shared.deps.events.record(event);
}

void report_message(Shared& shared, mail::EventKind kind, const base::Ulid& id, base::WallTime now,
                    std::string text) {
    mail::Event event;
    event.kind = kind;
    event.at = now;
    event.message_id = id;
    event.text = std::move(text);
    shared.deps.events.record(event);
}

}  // namespace posthorn::delivery
