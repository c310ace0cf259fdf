// The commands about the queue.
#pragma once

#include "base/clock.hpp"
#include "control/handlers.hpp"
#include "delivery/service.hpp"
#include "net/pool.hpp"
#include "spool/queue.hpp"

namespace posthorn::control {

// What the handlers use; all outlive them.
struct QueueDeps {
    delivery::Service& delivery;
    spool::Queue& queue;
    net::Pool& disk;  // bodies are read on it
    const base::Clock& clock;
};
void add_queue_handlers(Handlers& handlers, QueueDeps deps);

}  // namespace posthorn::control
