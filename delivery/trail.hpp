// What an attempt leaves behind for the trace of its message: a span and its parts. Costs nothing where the message is
// not traced: then there is no trail, and what would be added to it is dropped.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "delivery/next_hops.hpp"
#include "delivery/smtp_client.hpp"
#include "mail/envelope.hpp"
#include "mail/event.hpp"

namespace posthorn::delivery {

struct Trail {
    std::string span_id;
    base::SteadyTime began{};
    mail::StepClock clock;
    std::vector<mail::Step> steps;  // the first is the whole attempt
};
using TrailPtr = std::shared_ptr<Trail>;  // null: not traced

TrailPtr begin_trail(const mail::Envelope& envelope, base::Random& random, const net::Loop& loop);
void add_lookup(const TrailPtr& trail, base::SteadyTime began, base::SteadyTime now, const NextHops& hops);
void add_connection(const TrailPtr& trail, base::SteadyTime began, const OpenResult& open, const Target& target);
void add_transaction(const TrailPtr& trail, base::SteadyTime began, const TransactionResult& result,
                     const SmtpTarget& target);
void add_store(const TrailPtr& trail, base::SteadyTime began, base::SteadyTime now, const std::string& account,
               const mail::Outcome& outcome);
void end_trail(const TrailPtr& trail, base::SteadyTime now, const std::vector<smtp::RecipientResult>& results);

}  // namespace posthorn::delivery
