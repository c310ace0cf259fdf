// Where there is no liburing.
#include "bench/uring_disk.hpp"

namespace posthorn::bench {

std::shared_ptr<base::Disk> uring_disk() { return nullptr; }

}  // namespace posthorn::bench
