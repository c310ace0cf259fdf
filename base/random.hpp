// Random numbers by port, so that a simulated run repeats from its seed.
#pragma once

#include <cstdint>
#include <memory>
#include <random>

namespace posthorn::base {

class Random {
public:
    virtual ~Random() = default;
    virtual std::uint64_t next() = 0;

    // Uniform in [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound);
    // Uniform in [0, 1).
    double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
};

// Seeded once from the kernel; not for secrets. One per thread: it has no lock.
std::unique_ptr<Random> system_random();

class SeededRandom final : public Random {
public:
    explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t next() override { return engine_(); }

private:
    std::mt19937_64 engine_;
};

// Fills from getrandom(2): for tokens and keys.
void secure_random(void* out, std::size_t size);

}  // namespace posthorn::base
