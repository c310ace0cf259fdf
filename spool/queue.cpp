#include "spool/queue.hpp"

#include "mail/address.hpp"

namespace posthorn::spool {

QueuedMessage queued_message(const StoredMessage& stored) {
    QueuedMessage message;
    message.id = stored.envelope.id;
    message.arrival = stored.envelope.arrival;
    message.hold_until = stored.envelope.hold_until;
    message.size = stored.envelope.body_size;
    message.null_sender = stored.envelope.reverse_path.empty();
    message.frozen = stored.frozen;
    for (std::uint32_t i = 0; i < stored.recipients.size(); ++i) {
        const mail::RecipientState& state = stored.recipients[i];
        auto& recipient = message.recipients.emplace_back();
        recipient.index = i;
        recipient.domain = mail::domain_key(stored.envelope.recipients[i].address.domain);
        recipient.status = state.status;
        recipient.attempts = state.attempts;
        recipient.next_try = state.next_try;
        recipient.delay_warned = state.delay_warned;
        recipient.dsn_done = state.dsn_done;
    }
    return message;
}

}  // namespace posthorn::spool
