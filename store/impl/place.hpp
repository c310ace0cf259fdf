// Where a body lies.
#pragma once

#include <cstdint>

namespace posthorn::store {

struct Place {
    std::uint64_t pack = 0;    // number of the pack file; 0: a file of its own, named by the email's id
    std::uint64_t offset = 0;  // of the body, behind its record's header
    std::uint64_t size = 0;
    std::uint32_t crc = 0;  // CRC-32C of the body
    bool operator==(const Place&) const = default;
};

}  // namespace posthorn::store
