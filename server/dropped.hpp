// A message that a local program left in the drop folder, as an event like any other that was accepted.
#pragma once

#include "mail/envelope.hpp"
#include "mail/event.hpp"

namespace posthorn::server {

// `took`: from the first look at it until it was durable; `clock` is asked for now.
mail::Event dropped_event(const mail::Envelope& envelope, base::Duration took, const base::Clock& clock);

}  // namespace posthorn::server
