// The disk with rounds of the log written through io_uring: write and fdatasync linked, one system call for both.
// Everything else goes the plain way. For measuring only.
#pragma once

#include <memory>

#include "base/disk.hpp"

namespace posthorn::bench {

// Null where the kernel does not let us use io_uring, or the build has none.
std::shared_ptr<base::Disk> uring_disk();

}  // namespace posthorn::bench
