// When a recipient that failed for now is tried again, and when it is given up. Pure.
#pragma once

#include <cstdint>

#include "base/clock.hpp"
#include "base/random.hpp"

namespace posthorn::policy {

struct RetryPolicy {
    base::Duration min = std::chrono::minutes(1);
    base::Duration max = std::chrono::hours(6);
    std::uint32_t max_attempts = 25;                // with the above four days (RFC 5321 §4.5.4.1)
    base::Duration max_age = std::chrono::days(5);  // since arrival
    bool operator==(const RetryPolicy&) const = default;
};

// The pause after attempt number `attempts` (1 the first): min doubled each time, up to max, with a jitter of a
// tenth either way so that what failed together does not come back together; never outside [min, max].
base::Duration retry_delay(const RetryPolicy& policy, std::uint32_t attempts, base::Random& random);

// Nothing further will be tried: too often or too old, whichever comes first.
inline bool given_up(const RetryPolicy& policy, std::uint32_t attempts, base::WallTime arrival,
                     base::WallTime now) {
    return attempts >= policy.max_attempts || now - arrival >= policy.max_age;
}

}  // namespace posthorn::policy
