// Chance, drawn from a seed: whoever asks the same questions in the same order gets the same answers.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"

namespace posthorn::simulation {

class Dice {
public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}

    bool chance(int thousandths) { return static_cast<int>(random_.below(1000)) < thousandths; }
    // Both ends included.
    int between(int low, int high) {
        return low + static_cast<int>(random_.below(static_cast<std::uint64_t>(high - low + 1)));
    }
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_.below(bound)); }
    // Every order of magnitude is as likely as another. Whole milliseconds; low > 0.
    base::Duration span(base::Duration low, base::Duration high) {
        const double a = std::log(static_cast<double>(low.count()));
        const double b = std::log(static_cast<double>(high.count()));
        const base::Duration drawn{static_cast<std::int64_t>(std::exp(a + (b - a) * random_.unit()))};
        return std::max<base::Duration>(std::chrono::floor<std::chrono::milliseconds>(drawn), low);
    }
    template <class T>
    const T& pick(const std::vector<T>& from) {
        return from.at(below(from.size()));
    }
    std::uint64_t next() { return random_.next(); }
    base::Random& random() { return random_; }

private:
    base::SeededRandom random_;
};

}  // namespace posthorn::simulation
