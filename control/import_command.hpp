// The handler of `queue.import`: a message from a file, through the same door as any other.
#pragma once

#include <functional>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "control/handlers.hpp"
#include "spool/queue.hpp"
#include "spool/spool.hpp"

namespace posthorn::control {

inline constexpr std::size_t kMaxImportedHeader = std::size_t{1} << 20;  // octets

// What the handler uses; references outlive it. The functions are called on the admin loop and do not block.
struct ImportDeps {
    spool::Queue& queue;
    const base::Clock& clock;
    base::Random& random;                     // for ids
    std::function<std::string()> hostname;    // of addresses that have no domain
    spool::Vetting vetting;                   // as for what local programs drop
    spool::Taken taken;                       // told once it is durable
    std::function<std::uint64_t()> max_size;  // octets now allowed; 0: any
};
LongHandlers make_import_handlers(ImportDeps deps);

}  // namespace posthorn::control
