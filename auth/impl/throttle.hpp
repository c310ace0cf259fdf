// How many failures somebody has left: a bucket for each client network and for each account, which failures fill and
// time empties. An attempt takes its place before it is checked, so that a thousand side by side are no way around
// it, and gets it back when it succeeds. The table is bounded: the longest untouched entry goes first. Any thread.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "auth/config.hpp"
#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "net/address.hpp"

namespace posthorn::auth::impl {

// The network that shares one bucket: an IPv4 address, or an IPv6 /64. "" of a Unix socket.
std::string client_key(const net::IpAddress& ip, bool unix_socket);

class Throttle {
public:
    explicit Throttle(ThrottleConfig config) : config_(config) {}

    struct Ticket {
        bool allowed = true;
        base::Duration retry_after{};  // not allowed: when a place will be free
        std::string client;
        std::string account;
        bool of_client = false;  // a place in the client's bucket was taken
        bool of_account =
            false;  // in the account's: not by a client that has logged into it lately, which strangers
                    // therefore cannot lock out
    };
    // `account`: the name as it was tried, canonical; existing or not makes no difference. `client` empty: no bucket.
    Ticket begin(std::string client, std::string account, base::SteadyTime now);
    // The attempt was right, or could not be checked: its places are given back.
    void refund(const Ticket& ticket);
    // It was right: the client is known to this account from now on.
    void remember(const Ticket& ticket, base::SteadyTime now);

    std::size_t size() const;

private:
    struct Entry {
        std::string key;
        double level = 0;       // failures not yet forgotten, as of `at`
        base::SteadyTime at{};  // of a known pair: when it logged in
    };
    struct Table {
        std::list<Entry> order;  // the last touched first
        std::unordered_map<std::string, std::list<Entry>::iterator> by_key;
    };

    Entry& touch(Table& table, const std::string& key, base::SteadyTime now) const;
    // Lets time run out of the bucket; how long until it has a place, zero: now.
    base::Duration settle(Entry& entry, std::uint32_t limit, base::SteadyTime now) const;

    const ThrottleConfig config_;
    base::Guarded<Table> table_;
};

}  // namespace posthorn::auth::impl
