#include "policy/rate.hpp"

#include <algorithm>
#include <cmath>

namespace posthorn::policy {

namespace {

// Rounded up: never faster than asked. A rate below one in ten years counts as that.
constexpr double kMaxInterval = 3.2e17;

base::Duration interval_of(const Rate& rate) {
    if (!(rate.per_second > 0)) return base::Duration{0};
    const double ns = std::ceil(1e9 / rate.per_second);
    return base::Duration{static_cast<std::int64_t>(std::clamp(ns, 1.0, kMaxInterval))};
}

base::Duration slack_of(base::Duration interval, std::uint32_t burst) {
    const double wanted = static_cast<double>(interval.count()) * static_cast<double>(std::max(burst, 1U) - 1);
    return base::Duration{static_cast<std::int64_t>(std::min(wanted, kMaxInterval))};
}

}  // namespace

TokenBucket::TokenBucket(Rate rate)
    : rate_(rate), interval_(interval_of(rate)), slack_(slack_of(interval_, rate.burst)) {}

bool TokenBucket::take(base::SteadyTime now) {
    if (!limited()) return true;
    if (!ready(now)) return false;
    spent_until_ = std::max(spent_until_, now) + interval_;
    return true;
}

void TokenBucket::give_back() {
    if (limited() && spent_until_ != base::SteadyTime::min()) spent_until_ -= interval_;
}

base::SteadyTime TokenBucket::next(std::uint64_t ahead) const {
    if (!limited() || spent_until_ == base::SteadyTime::min()) return base::SteadyTime::min();
    const double wait = static_cast<double>(interval_.count()) * static_cast<double>(ahead);
    return spent_until_ - slack_ + base::Duration{static_cast<std::int64_t>(std::min(wait, kMaxInterval))};
}

std::uint64_t TokenBucket::tokens(base::SteadyTime now) const {
    if (!limited()) return 0;
    const std::uint64_t burst = std::max(rate_.burst, 1U);
    if (full(now)) return burst;
    if (!ready(now)) return 0;
    return std::min(burst, static_cast<std::uint64_t>((now - next()) / interval_) + 1);
}

void TokenBucket::change(Rate rate, base::SteadyTime now) {
    TokenBucket fresh(rate);
    if (limited() && fresh.limited() && spent_until_ > now) {
        const double tokens =
            static_cast<double>((spent_until_ - now).count()) / static_cast<double>(interval_.count());
        const double debt = std::min(tokens, static_cast<double>(std::max(rate.burst, 1U))) *
                            static_cast<double>(fresh.interval_.count());
        fresh.spent_until_ = now + base::Duration{static_cast<std::int64_t>(std::min(debt, kMaxInterval))};
    }
    *this = fresh;
}

}  // namespace posthorn::policy
