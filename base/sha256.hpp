// SHA-256 (FIPS 180-4), for sums of tokens: small inputs, now and then.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace posthorn::base {

using Sha256 = std::array<unsigned char, 32>;
Sha256 sha256(std::string_view bytes);

std::string hex(const Sha256& sum);  // 64 digits, small letters

// Takes as long wherever they differ.
bool equal_in_constant_time(const Sha256& a, const Sha256& b);

}  // namespace posthorn::base
