// CRC-32C (Castagnoli, reflected, as iSCSI has it: RFC 3720 appendix B.4). By the processor's own instruction where
// it has one, chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace posthorn::base {

// Continues `crc`: crc32c(crc32c(0, a), b) == crc32c(0, ab). Any other start value is a seed. Any thread.
std::uint32_t crc32c(std::uint32_t crc, std::string_view bytes);

// The slow way, for processors without the instruction, and for the test that holds both against each other.
std::uint32_t crc32c_portable(std::uint32_t crc, std::string_view bytes);

}  // namespace posthorn::base
