// Messages that local programs and operators hand over: what they must pass, and the event of their acceptance.
#pragma once

#include <functional>
#include <string>

#include "mail/envelope.hpp"
#include "mail/event.hpp"
#include "server/config/config.hpp"
#include "spool/spool.hpp"

namespace posthorn::server {

// For one thread: what it draws on is its own. `hostname`: the server's at that moment.
base::Result<spool::Vetting> dropped_vetting(const Config& config, std::function<std::string()> hostname);

// Both outlive what is made; record() is for any thread.
spool::Taken taken_event(mail::EventSink& events, const base::Clock& clock);

// A message that was taken in, as an event like any other that was accepted. `took`: from the first look at it until it
// was durable; `clock` is asked for now.
mail::Event dropped_event(const mail::Envelope& envelope, base::Duration took, const base::Clock& clock);

}  // namespace posthorn::server
