#include "delivery/address_memory.hpp"

#include <algorithm>

namespace posthorn::delivery {

void AddressMemory::failed(const net::Endpoint& endpoint, base::SteadyTime now) {
    if (bad_until_.size() >= kMaxEntries) {
        std::erase_if(bad_until_, [&](const auto& entry) { return entry.second <= now; });
        if (bad_until_.size() >= kMaxEntries) bad_until_.clear();
    }
    bad_until_[endpoint] = now + kPenalty;
}

bool AddressMemory::bad(const net::Endpoint& endpoint, base::SteadyTime now) const {
    const auto at = bad_until_.find(endpoint);
    return at != bad_until_.end() && at->second > now;
}

void AddressMemory::sort(std::vector<Target>& targets, base::SteadyTime now) const {
    if (bad_until_.empty()) return;
    std::ranges::stable_partition(targets, [&](const Target& t) { return !bad(t.endpoint, now); });
}

}  // namespace posthorn::delivery
