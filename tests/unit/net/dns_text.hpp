// DNS messages made by hand, for the tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/dns_message.hpp"

namespace posthorn::net::testing {

inline std::string u16(unsigned n) { return {static_cast<char>(n >> 8U), static_cast<char>(n)}; }
inline std::string u32(std::uint32_t n) { return u16(n >> 16U) + u16(n & 0xFFFFU); }

// "a.b" without compression; "" is the root.
inline std::string wire_name(std::string_view name) {
    std::string wire;
    while (!name.empty()) {
        const auto label = name.substr(0, name.find('.'));
        wire += static_cast<char>(label.size());
        wire += label;
        name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    return wire + '\0';
}

struct DnsText {
    std::uint16_t id = 0;
    unsigned flags = 0x8180;  // a response, recursion desired and available
    std::string question;     // wire
    std::vector<std::string> answers;
    std::vector<std::string> authorities;

    DnsText(std::string_view name, DnsType type)
        : question(wire_name(name) + u16(static_cast<unsigned>(type)) + u16(1)) {}

    static std::string record(std::string_view owner, DnsType type, std::uint32_t ttl, const std::string& data) {
        return wire_name(owner) + u16(static_cast<unsigned>(type)) + u16(1) + u32(ttl) +
               u16(static_cast<unsigned>(data.size())) + data;
    }
    DnsText& rcode(unsigned code) {
        flags = (flags & 0xFFF0U) | code;
        return *this;
    }
    DnsText& add(std::string_view owner, DnsType type, std::uint32_t ttl, const std::string& data) {
        answers.push_back(record(owner, type, ttl, data));
        return *this;
    }
    DnsText& a(std::string_view owner, std::uint32_t ttl, std::string_view ip) {
        const auto address = *IpAddress::parse(ip);
        const auto* bytes = reinterpret_cast<const char*>(address.bytes.data());
        return add(owner, address.v6 ? DnsType::aaaa : DnsType::a, ttl, std::string(bytes, address.v6 ? 16 : 4));
    }
    DnsText& mx(std::string_view owner, std::uint32_t ttl, unsigned preference, std::string_view host) {
        return add(owner, DnsType::mx, ttl, u16(preference) + wire_name(host));
    }
    DnsText& cname(std::string_view owner, std::uint32_t ttl, std::string_view target) {
        return add(owner, DnsType::cname, ttl, wire_name(target));
    }
    DnsText& soa(std::string_view owner, std::uint32_t ttl, std::uint32_t minimum) {
        authorities.push_back(
            record(owner, DnsType::soa, ttl,
                   wire_name("ns") + wire_name("hostmaster") + u32(1) + u32(2) + u32(3) + u32(4) + u32(minimum)));
        return *this;
    }
    std::string text() const {
        std::string out = u16(id) + u16(flags) + u16(1) + u16(static_cast<unsigned>(answers.size())) +
                          u16(static_cast<unsigned>(authorities.size())) + u16(0) + question;
        for (const auto& record : answers) out += record;
        for (const auto& record : authorities) out += record;
        return out;
    }
};

}  // namespace posthorn::net::testing
