// Addresses that could not be reached a moment ago: others are tried before them. One per loop; bounded.
#pragma once

#include <map>
#include <vector>

#include "base/clock.hpp"
#include "delivery/next_hops.hpp"

namespace posthorn::delivery {

class AddressMemory {
public:
    static constexpr std::size_t kMaxEntries = 10'000;
    static constexpr base::Duration kPenalty = std::chrono::minutes(2);

    void failed(const net::Endpoint& endpoint, base::SteadyTime now);
    void worked(const net::Endpoint& endpoint) { bad_until_.erase(endpoint); }
    bool bad(const net::Endpoint& endpoint, base::SteadyTime now) const;
    // Those that failed lately go last, in their order: they are still tried when no other can.
    void sort(std::vector<Target>& targets, base::SteadyTime now) const;

private:
    std::map<net::Endpoint, base::SteadyTime> bad_until_;
};

}  // namespace posthorn::delivery
