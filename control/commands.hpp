// The handlers of system.* and queue.*.
#pragma once

#include "control/handlers.hpp"
#include "control/queue_commands.hpp"
#include "control/system.hpp"

namespace posthorn::control {

// `system` and what `queue` names outlive the handlers.
Handlers make_handlers(System& system, QueueDeps queue);

}  // namespace posthorn::control
