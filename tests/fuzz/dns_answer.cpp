// The answer of a DNS server. The first byte chooses the type that was asked for; the name is example.org.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "net/dns_message.hpp"

using namespace posthorn::net;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    constexpr DnsType kTypes[] = {DnsType::a, DnsType::aaaa, DnsType::mx, DnsType::txt};
    const auto type = kTypes[data[0] % 4];
    const auto answer = parse_dns_answer({data + 1, size - 1}, "example.org", type);
    const auto records = answer.mx.size() + answer.addresses.size() + answer.texts.size();
    require(records <= kMaxDnsRecords);
    require((answer.status == DnsStatus::ok) == (records > 0) || answer.status == DnsStatus::servfail);
    require(answer.links <= kMaxCnameLinks + 1);
    require(answer.ttl.count() >= 0 && answer.ttl.count() <= 0x7FFFFFFF);
    for (const auto& mx : answer.mx) require(mx.host.size() <= 253);
    for (const auto& ip : answer.addresses) require(ip.v6 == (type == DnsType::aaaa));
    return 0;
}
