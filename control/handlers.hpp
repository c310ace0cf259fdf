// What answers a command of the table. Handlers are coroutines of the admin loop; they never block it.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/result.hpp"
#include "control/protocol/value.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::control {

struct Reply {
    Value result;
    Value info;  // beside a list: what is to say about it as a whole
};

// Arguments have been checked against the table. A permanent error is "not found", a protocol error "bad request",
// a temporary one "busy", an internal one "failed"; its log_text is what the operator reads.
using Handler = std::function<net::Task<base::Result<Reply>>(net::Loop& loop, Value args)>;
using Handlers = std::map<std::string, Handler, std::less<>>;

}  // namespace posthorn::control
