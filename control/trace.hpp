// The handler of `trace`: searches the event history on a pool of its own and sends what it finds as it finds it.
#pragma once

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "control/handlers.hpp"
#include "mail/event.hpp"
#include "net/pool.hpp"
#include "observe/history.hpp"

namespace posthorn::control {

// All outlive the handlers. `pool` is for these searches alone: they read long.
Handlers make_trace_handlers(observe::History& history, base::Disk& disk, net::Pool& pool,
                             const base::Clock& clock);

// An event as mailctl and scripts see it: only what it has.
Value event_view(const mail::Event& event);

}  // namespace posthorn::control
