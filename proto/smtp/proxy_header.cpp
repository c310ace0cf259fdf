#include "proto/smtp/proxy_header.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

#include "mail/address.hpp"

namespace posthorn::smtp {
namespace {

using Status = ProxyParse::Status;

constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::size_t kMaxLine1 = 107;
constexpr std::size_t kShortestLine1 = 15;  // "PROXY UNKNOWN\r\n"

ProxyParse bad() { return {}; }
ProxyParse need(std::size_t octets) { return {.status = Status::more, .more = octets, .header = {}}; }

// Canonical; nothing when it is no address of that family.
std::optional<std::string> ip_of(std::string_view text, bool v6) {
    return mail::literal_address((v6 ? "[IPv6:" : "[") + std::string(text) + "]");
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
    return port;
}

std::string_view word(std::string_view& text) {
    const auto out = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), out.size() + 1));
    return out;
}

ProxyParse parse_line(std::string_view line) {
    line.remove_prefix(kSignature1.size());
    const auto family = word(line);
    if (family == "UNKNOWN") return {.status = Status::done, .more = 0, .header = {}};
    const bool v6 = family == "TCP6";
    if (!v6 && family != "TCP4") return bad();
    auto source = ip_of(word(line), v6);
    auto destination = ip_of(word(line), v6);
    const auto source_port = port_of(word(line));
    const auto destination_port = port_of(line);
    if (!source || !destination || !source_port || !destination_port) return bad();
    ProxyParse out{.status = Status::done, .more = 0, .header = {}};
    out.header.source = ProxyAddress{std::move(*source), *source_port};
    out.header.destination = ProxyAddress{std::move(*destination), *destination_port};
    return out;
}

ProxyParse parse1(std::string_view octets) {
    if (octets.size() < kShortestLine1) return need(kShortestLine1 - octets.size());
    const auto cr = octets.find('\r');
    if (cr == std::string_view::npos) return octets.size() + 2 > kMaxLine1 ? bad() : need(2);
    if (cr + 1 == octets.size()) return need(1);
    if (octets[cr + 1] != '\n' || cr + 2 != octets.size()) return bad();
    return parse_line(octets.substr(0, cr));
}

unsigned u8(char c) { return static_cast<unsigned char>(c); }
std::uint16_t u16(std::string_view octets) {
    return static_cast<std::uint16_t>(u8(octets[0]) << 8 | u8(octets[1]));
}

std::string ip4(std::string_view octets) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%u.%u.%u.%u", u8(octets[0]), u8(octets[1]), u8(octets[2]),
                  u8(octets[3]));
    return text.data();
}

std::string ip6(std::string_view octets) {
    std::string out;
    for (std::size_t i = 0; i < 16; i += 2) {
        std::array<char, 8> text{};
        std::snprintf(text.data(), text.size(), "%s%x", i == 0 ? "" : ":", unsigned{u16(octets.substr(i))});
        out += text.data();
    }
    return ip_of(out, true).value_or(out);
}

ProxyParse parse2(std::string_view octets) {
    constexpr std::size_t fixed = 16;
    if (octets.size() < fixed) return need(fixed - octets.size());
    const unsigned version_command = u8(octets[12]);
    const unsigned family = u8(octets[13]);
    const std::size_t length = u16(octets.substr(14));
    if (version_command != 0x20 && version_command != 0x21) return bad();
    if (fixed + length > kMaxProxyHeader) return bad();
    if (octets.size() < fixed + length) return need(fixed + length - octets.size());
    if (octets.size() > fixed + length) return bad();
    ProxyParse out{.status = Status::done, .more = 0, .header = {}};
    if (version_command == 0x20) return out;  // LOCAL: addresses are to be ignored
    const auto body = octets.substr(fixed);
    if (family == 0x11) {  // TCP over IPv4
        if (length < 12) return bad();
        out.header.source = ProxyAddress{ip4(body), u16(body.substr(8))};
        out.header.destination = ProxyAddress{ip4(body.substr(4)), u16(body.substr(10))};
    } else if (family == 0x21) {  // TCP over IPv6
        if (length < 36) return bad();
        out.header.source = ProxyAddress{ip6(body), u16(body.substr(32))};
        out.header.destination = ProxyAddress{ip6(body.substr(16)), u16(body.substr(34))};
    }
    return out;
}

}  // namespace

ProxyParse parse_proxy_header(std::string_view octets) {
    const auto common1 = std::min(octets.size(), kSignature1.size());
    if (octets.substr(0, common1) == kSignature1.substr(0, common1)) {
        // Neither version is shorter than 15 octets.
        return octets.empty() ? need(kShortestLine1) : parse1(octets);
    }
    const auto common2 = std::min(octets.size(), kSignature2.size());
    if (octets.substr(0, common2) == kSignature2.substr(0, common2)) return parse2(octets);
    return bad();
}

}  // namespace posthorn::smtp
