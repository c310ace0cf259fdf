// The handlers of system.* and queue.*.
#pragma once

#include "base/clock.hpp"
#include "control/handlers.hpp"
#include "control/system.hpp"
#include "delivery/service.hpp"

namespace posthorn::control {

// `system`, `delivery` and `clock` outlive the handlers.
Handlers make_handlers(System& system, delivery::Service& delivery, const base::Clock& clock);

}  // namespace posthorn::control
