// How many connections one client has is the same question for every listener.
#pragma once

#include "net/client_limits.hpp"

namespace posthorn::mta {

using net::ClientLimits;

}  // namespace posthorn::mta
