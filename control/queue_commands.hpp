// The commands about the queue.
#pragma once

#include "base/clock.hpp"
#include "control/handlers.hpp"
#include "delivery/service.hpp"

namespace posthorn::control {

// `delivery` and `clock` outlive the handlers.
void add_queue_handlers(Handlers& handlers, delivery::Service& delivery, const base::Clock& clock);

}  // namespace posthorn::control
