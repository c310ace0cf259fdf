// Orders about the queue carried out to their end, for tests that want to know what they came to as a whole.
#pragma once

#include <vector>

#include "delivery/service.hpp"

namespace posthorn::testing {

struct Changed {
    std::vector<base::Ulid> ids;        // done (freeze of a domain or of everything: those in the queue then)
    std::vector<base::Ulid> unknown;    // asked for, not in the queue
    std::vector<base::Ulid> under_way;  // cancel: of `ids` those of which some is in an attempt that goes on
    std::uint64_t count() const { return ids.size(); }
};

// `service` outlives them; each resumes on `loop`.
net::Task<base::Result<Changed>> retry(delivery::Service& service, net::Loop& loop, delivery::Selector which);
net::Task<base::Result<Changed>> freeze(delivery::Service& service, net::Loop& loop, delivery::Selector which);
net::Task<base::Result<Changed>> unfreeze(delivery::Service& service, net::Loop& loop, delivery::Selector which);
net::Task<base::Result<Changed>> cancel(delivery::Service& service, net::Loop& loop, delivery::Selector which,
                                        bool bounce);

}  // namespace posthorn::testing
