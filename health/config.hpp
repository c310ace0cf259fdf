// What [health] says: where machines ask how we are.
#pragma once

#include <cstdint>

#include "net/address.hpp"

namespace posthorn::health {

struct Config {
    bool enabled = true;
    net::Endpoint listen_address{.ip = {.v6 = true}, .port = 8080, .unix_path = {}};
    std::uint64_t max_queue_size = 10'000;  // not ready at or above it
    bool operator==(const Config&) const = default;
};

}  // namespace posthorn::health
