#include "net/client_limits.hpp"

namespace posthorn::net {
namespace {

// The upper 64 bits of an IPv6 address; an IPv4 address where ::ffff:0:0/96 is (whose /64 is no unicast network).
std::uint64_t key_of(const IpAddress& client) {
    const auto ip = client.unmapped();
    std::uint64_t key = ip.v6 ? 0 : 0xFFFF;
    for (std::size_t i = 0; i < (ip.v6 ? 8U : 4U); ++i) key = key << 8 | ip.bytes[i];
    return key;
}

}  // namespace

std::optional<ClientLimits::Ticket> ClientLimits::enter(const std::shared_ptr<ClientLimits>& limits,
                                                        const IpAddress& client, std::uint32_t max) {
    const auto key = key_of(client);
    const bool entered = limits->counts_.with([&](auto& counts) {
        auto& count = counts[key];
        if (count < max) return ++count, true;
        if (count == 0) counts.erase(key);
        return false;
    });
    if (!entered) return std::nullopt;
    return Ticket(limits, key);
}

void ClientLimits::Ticket::leave() {
    if (!limits_) return;
    limits_->counts_.with([&](auto& counts) {
        const auto found = counts.find(key_);
        if (found != counts.end() && --found->second == 0) counts.erase(found);
    });
    limits_.reset();
}

}  // namespace posthorn::net
