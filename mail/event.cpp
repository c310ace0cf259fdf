#include "mail/event.hpp"

namespace posthorn::mail {

std::string_view name(EventKind kind) {
    switch (kind) {
        case EventKind::connected: return "connected";
        case EventKind::disconnected: return "disconnected";
        case EventKind::tls_started: return "tls_started";
        case EventKind::rejected: return "rejected";
        case EventKind::accepted: return "accepted";
        case EventKind::attempt: return "attempt";
        case EventKind::delivered: return "delivered";
        case EventKind::deferred: return "deferred";
        case EventKind::bounced: return "bounced";
        case EventKind::expired: return "expired";
        case EventKind::dsn_sent: return "dsn_sent";
        case EventKind::frozen: return "frozen";
        case EventKind::unfrozen: return "unfrozen";
        case EventKind::cancelled: return "cancelled";
        case EventKind::rate_limited: return "rate_limited";
        case EventKind::security: return "security";
        case EventKind::quarantined: return "quarantined";
        case EventKind::login_refused: return "login_refused";
        case EventKind::done: return "done";
    }
    return "unknown";
}

}  // namespace posthorn::mail
