// What the commands system.reload, shutdown and config ask of the server as a whole; server/ implements it.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "control/handlers.hpp"
#include "control/protocol/value.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::control {

// What a reload changed.
struct Reloaded {
    std::vector<std::string> changed;  // keys that hold now
    std::vector<std::string> waiting;  // keys that hold from the next start
};

class Steering {
public:
    using Outcome = std::expected<Reloaded, std::string>;  // or why all stays as it was

    virtual ~Steering() = default;
    // The configuration is read again, as at SIGHUP. Resumes on `loop`.
    virtual net::Task<Outcome> reload(net::Loop& loop) = 0;
    // The server begins to end, as at SIGTERM; `now`: as at the second one. Any thread; returns at once.
    virtual void shut_down(bool now) = 0;
    // Every key that is set: a list, without secrets. Any thread.
    virtual Value config() const = 0;
};

// `steering` outlives the handlers.
Handlers make_steering_handlers(Steering& steering);

}  // namespace posthorn::control
