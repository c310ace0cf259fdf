#include "base/sha256.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace posthorn::base {

Sha256 sha256(std::string_view bytes) {
    Sha256 sum{};
    static_assert(sizeof sum == SHA256_DIGEST_LENGTH);
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), sum.data());
    return sum;
}

std::string hex(const Sha256& sum) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const auto octet : sum) {
        out += digits[octet >> 4U];
        out += digits[octet & 15U];
    }
    return out;
}

bool equal_in_constant_time(const Sha256& a, const Sha256& b) {
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace posthorn::base
