// Recipients that were aliases of ours: the addresses they lead to elsewhere go on as another message, born in the round
// that ends them (as DSNs are), so that there is one, not two and not none.
#include <algorithm>

#include "delivery/expansion.hpp"
#include "delivery/owner.hpp"

namespace posthorn::delivery {

// A recipient ends once, as redirected or with this: the number is its own for ever; DSNs have those in between.
base::Ulid Owner::onward_id(const base::Ulid& parent, std::uint32_t index) { return parent.child(index * 4); }

void Owner::add_onward(Revision& r, const JobResult& result, std::size_t at) const {
    const mail::Envelope& parent = *result.envelope;
    const std::uint32_t index = result.job->recipients[at];
    spool::StateChange::Birth birth;
    birth.envelope = parent;
    birth.envelope.id = onward_id(parent.id, index);
    if (parent.origin == base::Ulid{}) birth.envelope.origin = parent.id;
    birth.envelope.recipients = result.local[at].onward;
    if (const auto& sender = result.local[at].sender; sender && !parent.reverse_path.empty())
        birth.envelope.reverse_path = *sender;
    birth.envelope.arrival = now();
    birth.envelope.hold_until = {};
    birth.envelope.trace_headers = delivered_to_line(parent.recipients.at(index).address) + parent.trace_headers;
    birth.envelope.smtputf8 =
        parent.smtputf8 ||
        std::ranges::any_of(birth.envelope.recipients, [](const auto& one) { return !one.address.ascii(); });
    birth.middle = result.body;
    birth.middle_size = result.body->size();
    r.onward.push_back(std::move(birth));
}

}  // namespace posthorn::delivery
