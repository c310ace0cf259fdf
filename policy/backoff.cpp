#include "policy/backoff.hpp"

#include <algorithm>

namespace posthorn::policy {

base::Duration retry_delay(const RetryPolicy& policy, std::uint32_t attempts, base::Random& random) {
    base::Duration delay = policy.min;
    for (std::uint32_t i = 1; i < attempts && delay < policy.max; ++i) delay *= 2;
    delay = std::min(delay, policy.max);
    const double factor = 0.9 + 0.2 * random.unit();
    const auto jittered = std::chrono::duration_cast<base::Duration>(
        std::chrono::duration<double, std::nano>(static_cast<double>(delay.count()) * factor));
    return std::clamp(jittered, policy.min, std::max(policy.min, policy.max));
}

}  // namespace posthorn::policy
