// Reading DNS answers (RFC 1035 §4), bounded and without trust: pure, fuzzed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/dns.hpp"

namespace posthorn::net {

enum class DnsType : std::uint16_t { a = 1, cname = 5, soa = 6, mx = 15, txt = 16, aaaa = 28 };

// What an answer says to one question.
struct DnsAnswer {
    DnsStatus status = DnsStatus::servfail;
    std::vector<MxRecord> mx;
    std::vector<IpAddress> addresses;
    std::vector<std::string> texts;
    std::chrono::seconds ttl{};  // least of the records used; of a negative answer RFC 2308 §5, 0: not to be kept
    std::string canonical;       // where the CNAMEs ended
    int links = 0;               // how many there were
    // The CNAMEs (whose least ttl is above) lead out of what the server told: `canonical` is to be asked for.
    bool incomplete = false;
    std::string text;  // for the operator
};

inline constexpr int kMaxCnameLinks = 8;
inline constexpr std::size_t kMaxDnsRecords = 256;  // used of one answer

// `name` as dns_name() makes it. Answers that are not well-formed, or not to this question, are servfail.
DnsAnswer parse_dns_answer(std::span<const std::uint8_t> message, std::string_view name, DnsType type);

// A name one can ask for: lower case, without a final dot, labels of letters, digits, '-' and '_', in the
// lengths of RFC 1035 §2.3.4. Nothing otherwise, also for IP addresses.
std::optional<std::string> dns_name(std::string_view text);

}  // namespace posthorn::net
