// The token bucket. Kept as one point in time (the "theoretical arrival time" of a virtual schedule), in whole
// nanoseconds, so that no rounding ever lets more through: in any window of t seconds at most
// burst + rate * t tokens are given. Pure; the clock is the caller's.
#pragma once

#include <cstdint>

#include "base/clock.hpp"

namespace posthorn::policy {

struct Rate {
    double per_second = 0;    // fractions are allowed (0.01: one in 100 s); 0 or less: no limit
    std::uint32_t burst = 1;  // tokens a full bucket holds; at least 1
    bool operator==(const Rate&) const = default;
};

class TokenBucket {
public:
    TokenBucket() = default;
    explicit TokenBucket(Rate rate);  // full

    bool limited() const { return interval_.count() > 0; }
    const Rate& rate() const { return rate_; }
    // Takes a token if there is one.
    bool take(base::SteadyTime now);
    // Puts back one that was taken and not used.
    void give_back();
    // When a token will be there: now or earlier when there is one. `ahead` tokens are spoken for before it.
    base::SteadyTime next(std::uint64_t ahead = 0) const;
    bool ready(base::SteadyTime now) const { return next() <= now; }
    bool full(base::SteadyTime now) const { return spent_until_ <= now; }
    // How many could be taken at once now; of an unlimited bucket 0.
    std::uint64_t tokens(base::SteadyTime now) const;
    // New limits; what was used up stays used up, in tokens.
    void change(Rate rate, base::SteadyTime now);

private:
    Rate rate_;
    base::Duration interval_{};                               // between tokens; 0: no limit
    base::Duration slack_{};                                  // (burst - 1) intervals
    base::SteadyTime spent_until_ = base::SteadyTime::min();  // when the bucket is full again
};

}  // namespace posthorn::policy
