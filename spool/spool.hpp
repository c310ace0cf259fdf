// Opens the durable queue. Called once at start, by server/, before any listener accepts.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string_view>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "mail/envelope.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"
#include "spool/config.hpp"
#include "spool/queue.hpp"

namespace posthorn::spool {

// What a message from the drop folder must pass before it is taken: may it be sent by this user, are Date and
// Message-ID there (policy's `submission`). May change the envelope, whose client and metadata say nothing yet, and
// put header lines into trace_headers. `header`: the message's header section, as far as it is within 64 KiB.
// Called on a thread of the spool; an error puts the file aside in corrupt/ and is logged.
using Vetting =
    std::function<base::Result<void>(mail::Envelope& envelope, uid_t submitter, std::string_view header)>;

// Told of each message from the drop folder once it is durable. `took`: since it was looked at. On a thread of the
// spool.
using Taken = std::function<void(const mail::Envelope& envelope, base::Duration took)>;

// Makes the directories, recovers what the last run left, starts the committer. Nothing is announced and
// incoming/ is not read before Queue::attach().
//
// A permanent error is a refusal to start, to be shown to the operator as it stands: another process has the spool,
// tmpfs, ramfs or a volatile overlay without `ephemeral`, a format of a newer version. Damage is no error: it is
// put aside and counted (QueueStats::quarantined).
//
// `loops` may be stopped still; all arguments but `config` outlive the queue. The queue must be gone (or stop()ped)
// before the loops are.
base::Result<std::unique_ptr<Queue>> open_queue(Config config, net::LoopGroup& loops, net::Pool& disk,
                                                const base::Clock& clock, base::Metrics& metrics,
                                                Vetting vetting = {}, Taken taken = {});

}  // namespace posthorn::spool
