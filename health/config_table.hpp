// The keys of [health].
#pragma once

#include "base/config/table.hpp"
#include "health/config.hpp"
#include "net/config_codecs.hpp"

namespace posthorn::health {

inline base::config::Table<Config> config_table() {
    using namespace base::config;
    return Table<Config>("Probes for machines over HTTP: /health/live, /health/ready, /metrics.")
        .key("enabled", &Config::enabled, flag(), "Whether there are any.")
        .key("listen_address", &Config::listen_address, net::endpoint_codec(), "Where.")
        .key("max_queue_size", &Config::max_queue_size, integer<std::uint64_t>({1}),
             "Queued messages from which on we are not ready.", Applies::at_reload);
}

}  // namespace posthorn::health
