// Recipients that go on as another message, to where an operator sends them: it is born in the round that ends them.
#include "base/ascii.hpp"
#include "delivery/owner.hpp"

namespace posthorn::delivery {

bool Owner::redirect(const base::Ulid& id, const mail::Address& to, OrderTicket ticket, Told told) {
    Message* const m = messages_.find(id);
    if (!m) return false;
    take_back(*m, [](const Slot&) { return true; });
    when_free(*m, [this, id, to, ticket = std::move(ticket), told = std::move(told)](Message& free) mutable {
        auto revision = std::make_shared<Revision>(shared_);
        for (Slot& slot : free.slots) {
            if (!slot.pending() || slot.phase != Phase::idle || slot.removal != Removal::none) continue;
            slot.phase = Phase::recording;
            revision->targets.push_back(slot.index);
        }
        if (revision->targets.empty()) return;
        revision->change.id = id;
        revision->redirect_to = to;
        revision->told = std::move(told);
        revision->flush_dsn = !others_active(free, revision->targets);
        revision->ticket = std::move(ticket);
        start_revise(free, std::move(revision));
    });
    return true;
}

// A recipient is redirected once, so this names it for ever; DSNs have the numbers in between.
base::Ulid Owner::redirected_id(const Revision& r) { return r.change.id.child(r.targets.front() * 4); }

void Owner::add_redirected(Revision& r, const spool::StoredMessage& stored) const {
    spool::StateChange::Birth birth;
    birth.envelope = stored.envelope;
    birth.envelope.id = redirected_id(r);
    birth.envelope.arrival = now();
    birth.envelope.promised = false;  // of where it goes now nothing was promised
    birth.envelope.smtputf8 = stored.envelope.smtputf8 || !base::is_ascii(r.redirect_to->to_string());
    mail::Recipient recipient{.address = *r.redirect_to};
    recipient.notify = stored.envelope.recipients.at(r.targets.front()).notify;
    birth.envelope.recipients = {std::move(recipient)};
    birth.middle = stored.body;
    birth.middle_size = stored.body->size();
    r.change.births.push_back(std::move(birth));
}

}  // namespace posthorn::delivery
