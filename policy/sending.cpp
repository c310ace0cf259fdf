#include "policy/sending.hpp"

#include <chrono>

namespace posthorn::policy {
namespace {

using namespace std::chrono_literals;

std::int64_t five_minutes(base::SteadyTime now) { return now.time_since_epoch() / 5min; }
std::int64_t hours(base::SteadyTime now) { return now.time_since_epoch() / 1h; }

}  // namespace

SendingDecision SendingCounter::look(const std::string& account, std::uint32_t recipients,
                                     const SendingLimits& limits, base::SteadyTime now) {
    std::uint64_t sent = 0;
    std::uint64_t reached = 0;
    if (const auto found = accounts_.find(account); found != accounts_.end()) {
        sent = found->second.messages.sum(five_minutes(now));
        reached = found->second.recipients.sum(hours(now));
    }
    if (limits.messages_per_hour != 0 && sent + 1 > limits.messages_per_hour)
        return SendingDecision::too_many_messages;
    if (limits.recipients_per_day != 0 && reached + recipients > limits.recipients_per_day)
        return SendingDecision::too_many_recipients;
    return SendingDecision::yes;
}

SendingDecision SendingCounter::take(const std::string& account, std::uint32_t recipients,
                                     const SendingLimits& limits, base::SteadyTime now) {
    if (limits == SendingLimits{}) return SendingDecision::yes;
    const auto decision = look(account, recipients, limits, now);
    if (decision != SendingDecision::yes) return decision;
    const auto [at, fresh] = accounts_.try_emplace(account);
    auto& entry = at->second;
    if (fresh) {
        entry.turn = turns_.insert(turns_.end(), account);
    } else {
        turns_.splice(turns_.end(), turns_, entry.turn);
    }
    entry.messages.add(five_minutes(now), 1);
    entry.recipients.add(hours(now), recipients);
    while (accounts_.size() > max_accounts_) {
        accounts_.erase(turns_.front());
        turns_.pop_front();
    }
    return decision;
}

}  // namespace posthorn::policy
