// How many connections one client has. A client is an IPv4 address or an IPv6 /64: a customer is given a /64, so
// single addresses of it would be no limit.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/guarded.hpp"
#include "net/address.hpp"

namespace posthorn::net {

// Shared by all loops. Memory: one entry a client that is connected.
class ClientLimits {
public:
    // One connection counted, until destroyed; on any thread.
    class Ticket {
    public:
        Ticket(Ticket&& other) noexcept = default;
        Ticket& operator=(Ticket&& other) noexcept {
            leave();
            limits_ = std::move(other.limits_);
            key_ = other.key_;
            return *this;
        }
        ~Ticket() { leave(); }

    private:
        friend class ClientLimits;
        using Key = std::uint64_t;
        Ticket(std::shared_ptr<ClientLimits> limits, Key key) : limits_(std::move(limits)), key_(key) {}
        void leave();

        std::shared_ptr<ClientLimits> limits_;
        Key key_ = 0;
    };

    static std::shared_ptr<ClientLimits> make() { return std::shared_ptr<ClientLimits>(new ClientLimits); }

    // Nothing: this client has `max` connections already.
    static std::optional<Ticket> enter(const std::shared_ptr<ClientLimits>& limits, const IpAddress& client,
                                       std::uint32_t max);

private:
    ClientLimits() = default;
    base::Guarded<std::unordered_map<std::uint64_t, std::uint32_t>> counts_;
};

}  // namespace posthorn::net
