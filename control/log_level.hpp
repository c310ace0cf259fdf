// The handler of `system.log-level`: what is logged, at run time.
#pragma once

#include "control/handlers.hpp"

namespace posthorn::control {

Handlers make_log_handlers();

}  // namespace posthorn::control
