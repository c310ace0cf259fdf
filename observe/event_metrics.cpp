#include "observe/event_metrics.hpp"

namespace posthorn::observe {
namespace {

constexpr auto kRejected = "posthorn_smtp_rejected_total";
constexpr auto kRejectedHelp = "Commands refused, by class of reply";

double seconds(base::Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

EventMetrics::EventMetrics(base::Metrics& metrics)
    : sessions_(metrics.counter("posthorn_smtp_sessions_total", "Sessions clients have opened")),
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
        case EventKind::rejected: (event.code >= 500 ? rejected_permanent_ : rejected_temporary_).add(); break;
        case EventKind::accepted:
            accepted_.add();
            accepted_bytes_.add(event.size);
            accept_seconds_.observe(seconds(event.elapsed));
            break;
        case EventKind::security: security_.add(); break;
        case EventKind::quarantined: quarantined_.add(); break;
        case EventKind::tls_started:
        case EventKind::attempt:
        case EventKind::delivered:
        case EventKind::deferred:
        case EventKind::bounced:
        case EventKind::expired:
        case EventKind::dsn_sent:
        case EventKind::cancelled:
        case EventKind::rate_limited:
        case EventKind::frozen:
        case EventKind::unfrozen:
        case EventKind::done: break;
    }
}

}  // namespace posthorn::observe
