#include "spool/config.hpp"

namespace posthorn::spool {

base::config::Table<Config> config_table() {
    using namespace base::config;
    return Table<Config>("The durable queue.")
        .key("segment_size", &Config::segment_size, size<std::uint64_t>({kMinSegmentSize, kMaxSegmentSize}),
             "Size of one file of the log; its space is written ahead.")
        .key("reserve", &Config::reserve, size<std::uint64_t>({0, std::uint64_t{1} << 50U}),
             "Free space on the spool's filesystem below which mail is refused with 452; 0: none.")
        .key("incoming", &Config::incoming, flag(), "Take in what local programs drop into incoming/.")
        .check([](const Config& config, const Report& report) {
            // What is accepted must be recordable as done on a full disk: that takes segments, before any is freed.
            if (config.reserve != 0 && config.reserve / kReserveSegments < config.segment_size)
                report("reserve",
                       "is less than four times segment_size: outcomes could not be written down on a "
                       "full disk");
        });
}

}  // namespace posthorn::spool
