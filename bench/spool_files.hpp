// What the spool is measured against, without the spool.
#pragma once

#include <string>

#include "base/disk.hpp"

namespace posthorn::bench {

// A file per message, as other servers do it: written, fsynced, renamed, its directory fsynced, then unlinked.
void bench_files(const std::string& dir, double seconds);

// The bare log: rounds of 1, 10 and 64 messages of 4 KiB behind each other in space that was written before, one
// write and one sync a round. `name`: of the disk.
void bench_rounds(const std::string& name, base::Disk& disk, const std::string& dir, double seconds);

}  // namespace posthorn::bench
