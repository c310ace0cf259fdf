#include "server/dropped.hpp"

#include "policy/submission.hpp"
#include "server/telemetry.hpp"

namespace posthorn::server {

base::Result<spool::Vetting> dropped_vetting(const Config& config, std::function<std::string()> hostname) {
    auto sampler = trace_sampler(config);
    if (!sampler) return std::unexpected(sampler.error());
    const auto random = std::shared_ptr<base::Random>(base::system_random());
    return [hostname = std::move(hostname), sampler = *sampler, random](
               mail::Envelope& envelope, uid_t submitter, std::string_view header) -> base::Result<void> {
        policy::complete_dropped(envelope, submitter, header, hostname());
        if (sampler) envelope.trace = sampler->begin(*random, std::nullopt).value_or(mail::TraceContext{});
        return {};
    };
}

spool::Taken taken_event(mail::EventSink& events, const base::Clock& clock) {
    return [&events, &clock](const mail::Envelope& envelope, base::Duration took) {
        events.record(dropped_event(envelope, took, clock));
    };
}

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
