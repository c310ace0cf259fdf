// Name resolution as a port. The real one stands on c-ares with one channel per loop and one TTL-honouring cache
// for all (net/impl/); a fake stands in tests/support/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/address.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::net {

enum class DnsStatus : std::uint8_t {
    ok,         // records follow
    no_data,    // the name exists, not this type
    nxdomain,   // RFC 8020
    servfail,   // the server's trouble: temporary
    timed_out,  // temporary
    bad_name,   // not a name one can ask for
    local,      // our own fault: no channel, no server, out of memory: temporary
};

struct MxRecord {
    std::uint16_t preference = 0;
    std::string host;  // lower case, no final dot; "" is the root: a null MX (RFC 7505)
    bool operator==(const MxRecord&) const = default;
};

struct MxAnswer {
    DnsStatus status = DnsStatus::local;
    std::vector<MxRecord> records;  // as given; the caller orders and shuffles
    base::Duration ttl{};
    std::string text;  // for the operator
};

struct AddressAnswer {
    DnsStatus status = DnsStatus::local;  // ok when either family has an address
    std::vector<IpAddress> addresses;     // IPv6 first, each family in the order given
    base::Duration ttl{};
    std::string text;
};

struct TxtAnswer {
    DnsStatus status = DnsStatus::local;
    std::vector<std::string> texts;
    base::Duration ttl{};
    std::string text;
};

struct DnsHealth {
    bool ok = true;  // channel up, last query no local failure; idle is fine
    std::string text;
    std::uint64_t queries = 0;
    std::uint64_t cache_hits = 0;
    std::uint64_t cache_entries = 0;
};

// One answer that is kept.
struct DnsCached {
    std::string name;
    std::string type;  // "MX", "A", "AAAA", "TXT"
    DnsStatus status = DnsStatus::ok;
    std::vector<std::string> records;
    base::Duration left{};  // how long it is kept yet
};

std::string_view name(DnsStatus status);

// Names are domain_key()-like: lower case ASCII. CNAMEs are followed by the resolver, chains bounded.
// Called on `loop`'s thread; resumes there. Equal questions under way are asked once.
class Resolver {
public:
    virtual ~Resolver() = default;
    virtual Task<MxAnswer> mx(Loop& loop, std::string name) = 0;
    virtual Task<AddressAnswer> addresses(Loop& loop, std::string name) = 0;  // A and AAAA side by side
    virtual Task<TxtAnswer> txt(Loop& loop, std::string name) = 0;
    virtual DnsHealth health() const = 0;                 // any thread
    virtual void clear_cache(std::string name = {}) = 0;  // empty: all; any thread
    // What is kept of a name, or (empty) the `limit` answers used last. Any thread.
    virtual std::vector<DnsCached> cached(const std::string& name, std::size_t limit,
                                          base::SteadyTime now) const = 0;
};

struct DnsConfig {
    std::vector<std::string> servers;                  // "ip", "ip:port", "[v6]:port"; empty: the system's
    base::Duration timeout = std::chrono::seconds(5);  // per try
    int tries = 3;
    std::size_t cache_entries = 50'000;
    base::Duration min_ttl = std::chrono::seconds(0);
    base::Duration max_ttl = std::chrono::hours(24);
    base::Duration max_negative_ttl = std::chrono::hours(1);
};

// The loops must outlive it; destroy after they stopped.
base::Result<std::unique_ptr<Resolver>> make_resolver(LoopGroup& loops, DnsConfig config);

}  // namespace posthorn::net
