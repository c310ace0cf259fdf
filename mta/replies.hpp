// Replies the receiver itself decides on.
#pragma once

#include "base/result.hpp"
#include "proto/smtp/server_reply.hpp"

namespace posthorn::mta {

// What a client is told when the spool could not take its message: 452 when short of space (4.3.1), 421 when it takes
// nothing now (4.3.2), 451 for what else may pass, 554 for what will not. Nothing of our insides.
smtp::ServerReply reply_of(const base::Error& error);

}  // namespace posthorn::mta
