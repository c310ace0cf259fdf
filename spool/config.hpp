// What the spool is told by the configuration. Read once at start.
#pragma once

#include <cstdint>
#include <string>

#include "base/config/table.hpp"

namespace posthorn::spool {

inline constexpr std::uint64_t kMinSegmentSize = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxSegmentSize = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kReserveSegments = 4;  // so many the reserve must hold

struct Config {
    std::string directory;  // [server] spool_dir; made when absent

    std::uint64_t segment_size = std::uint64_t{64} << 20;  // octets; of segments made from now on
    std::uint64_t reserve = std::uint64_t{512} << 20;  // octets free on the filesystem below which mail is refused

    // [smtp] memory_budget: bodies of all sessions, and of fresh messages whose first attempt is under way.
    std::uint64_t memory_budget = std::uint64_t{64} << 20;
    std::uint64_t memory_body = std::uint64_t{128}
                                << 10;  // a body up to here stays in memory and goes into the log

    bool ephemeral = false;  // --ephemeral: a spool on tmpfs, ramfs or a volatile overlay is wanted
    bool incoming = true;    // watch the drop folder
};

// Keys of [spool].
base::config::Table<Config> config_table();

}  // namespace posthorn::spool
