// `posthornd --count-queue`: how many messages wait in the spool of a server that does not run.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "server/config/config.hpp"

namespace posthorn::server {

// Becomes the server's user first; nothing is taken in or sent. Main thread. An error: a server has the spool, or it cannot
// be read. Without a spool: 0.
base::Result<std::uint64_t> count_queue(const Config& config);

}  // namespace posthorn::server
