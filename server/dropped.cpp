#include "server/dropped.hpp"

namespace posthorn::server {

mail::Event dropped_event(const mail::Envelope& envelope, base::Duration took, const base::Clock& clock) {
    mail::Event event;
    event.kind = mail::EventKind::accepted;
    event.at = clock.wall();
    event.message_id = envelope.id;
    event.sender = envelope.reverse_path.to_string();
    event.recipient = envelope.recipients.front().address.to_string();
    if (envelope.recipients.size() > 1) {
        for (const auto& recipient : envelope.recipients) event.recipients.push_back(recipient.address.to_string());
    }
    event.size = envelope.body_size;
    event.header_message_id = envelope.header_message_id;
    event.elapsed = took;
    event.extra.emplace_back("listener", envelope.listener);
    for (const auto& [key, value] : envelope.metadata) event.extra.emplace_back(key, value);
    event.trace = envelope.trace;
    if (!event.trace.trace_id.empty()) {
        const auto now = clock.steady();
        event.steps.push_back(mail::StepClock{event.at, now}.step("spool_message", now - took, now));
    }
    return event;
}

}  // namespace posthorn::server
