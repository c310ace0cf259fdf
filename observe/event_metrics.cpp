#include "observe/event_metrics.hpp"

namespace posthorn::observe {
namespace {

constexpr auto kRejected = "posthorn_smtp_rejected_total";
constexpr auto kRejectedHelp = "Commands refused, by class of reply";

double seconds(base::Duration d) { return std::chrono::duration<double>(d).count(); }

// Of "TLSv1.3 TLS_AES_256_GCM_SHA384".
std::string tls_version(const std::string& tls) { return tls.empty() ? "none" : tls.substr(0, tls.find(' ')); }

}  // namespace

EventMetrics::EventMetrics(base::Metrics& metrics)
    : metrics_(metrics),
      sessions_(metrics.counter("posthorn_smtp_sessions_total", "Sessions clients have opened")),
      open_sessions_(metrics.gauge("posthorn_smtp_sessions_open", "Sessions open now")),
      accepted_(metrics.counter("posthorn_smtp_messages_accepted_total", "Messages made durable and answered 250")),
      accepted_bytes_(
          metrics.counter("posthorn_smtp_messages_accepted_bytes_total", "Octets of accepted messages")),
      rejected_temporary_(metrics.counter(kRejected, kRejectedHelp, {{"class", "4xx"}})),
      rejected_permanent_(metrics.counter(kRejected, kRejectedHelp, {{"class", "5xx"}})),
      security_(metrics.counter("posthorn_security_warnings_total", "Things an operator must know")),
      quarantined_(metrics.counter("posthorn_spool_quarantined_total", "Messages and records put aside")),
      accept_seconds_(metrics.histogram("posthorn_smtp_accept_seconds", "From end of data to durable",
                                        base::seconds_bounds())) {}

void EventMetrics::record(const mail::Event& event) {
    using mail::EventKind;
    switch (event.kind) {
        case EventKind::connected:
            sessions_.add();
            open_sessions_.add(1);
            break;
        case EventKind::disconnected: open_sessions_.add(-1); break;
        case EventKind::tls_started:
            metrics_
                .counter("posthorn_smtp_tls_sessions_total", "Sessions of clients that are encrypted, by version",
                         {{"version", tls_version(event.tls)}})
                .add();
            break;
        case EventKind::rejected: rejected(event); break;
        case EventKind::accepted:
            if (event.session.empty()) break;  // a local program's: it came by no SMTP
            accepted_.add();
            accepted_bytes_.add(event.size);
            accept_seconds_.observe(seconds(event.elapsed));
            break;
        case EventKind::security: security_.add(); break;
        case EventKind::quarantined: quarantined_.add(); break;
        case EventKind::attempt:
            metrics_
                .counter("posthorn_delivery_attempts_total", "Attempts for one recipient each, by how encrypted",
                         {{"tls", tls_version(event.tls)}})
                .add();
            break;
        case EventKind::delivered:
        case EventKind::deferred:
        case EventKind::bounced:
        case EventKind::expired: outcome(event); break;
        case EventKind::dsn_sent:
        case EventKind::cancelled:
        case EventKind::rate_limited:
        case EventKind::frozen:
        case EventKind::unfrozen:
        case EventKind::login_refused:
        case EventKind::done: break;
    }
}

// Stage and code are of our own making, so the number of series is bounded.
void EventMetrics::rejected(const mail::Event& event) {
    (event.code >= 500 ? rejected_permanent_ : rejected_temporary_).add();
    metrics_
        .counter("posthorn_smtp_commands_rejected_total", "Commands refused, by command and reply",
                 {{"command", event.detail}, {"status", event.status}})
        .add();
}

void EventMetrics::outcome(const mail::Event& event) {
    metrics_
        .counter("posthorn_delivery_deliveries_total", "Recipients by what became of them",
                 {{"domain", event.domain}, {"status", std::string(name(event.kind))}})
        .add();
}

}  // namespace posthorn::observe
