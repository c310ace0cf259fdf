#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <stdexcept>

#include "base/int128.hpp"

namespace posthorn::base {

std::uint64_t Random::below(std::uint64_t bound) {
    // Lemire's multiply-shift; the bias of at most bound / 2^64 does not matter to jitter and shuffles.
    return static_cast<std::uint64_t>((static_cast<uint128>(next()) * bound) >> 64);
}

std::unique_ptr<Random> system_random() {
    std::uint64_t seed = 0;
    secure_random(&seed, sizeof seed);
    return std::make_unique<SeededRandom>(seed);
}

void secure_random(void* out, std::size_t size) {
    auto* at = static_cast<char*>(out);
    while (size > 0) {
        const ssize_t got = getrandom(at, size, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            throw std::runtime_error("getrandom failed");
        }
        at += got;
        size -= static_cast<std::size_t>(got);
    }
}

}  // namespace posthorn::base
