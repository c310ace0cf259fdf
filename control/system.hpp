// What the commands system.* ask of the server as a whole; server/ implements it.
#pragma once

#include "base/result.hpp"
#include "control/protocol/value.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::control {

class System {
public:
    virtual ~System() = default;
    // Everything an operator wants to see at a glance, as a map. On `loop`; resumes there.
    virtual net::Task<base::Result<Value>> status(net::Loop& loop) = 0;
};

}  // namespace posthorn::control
