#include "net/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/ascii.hpp"

namespace posthorn::net {
namespace {

constexpr std::size_t kMaxAddressText = 45;  // INET6_ADDRSTRLEN without the NUL
constexpr std::size_t kMaxHost = 255;
constexpr std::size_t kMaxUnixPath = 107;  // sockaddr_un::sun_path without the NUL

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool mapped(const IpAddress& ip) { return ip.v6 && std::equal(kMapped.begin(), kMapped.end(), ip.bytes.begin()); }

std::unexpected<base::Error> bad(std::string_view text, std::string_view why) {
    return base::fail(base::ErrorKind::permanent, "\"" + std::string(text) + "\": " + std::string(why));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return port;
}

// "[v6]:port", "[v6]", "host:port" or "host" taken apart; the brackets are gone from `host`.
struct Split {
    std::string_view host;
    std::optional<std::string_view> port;
    bool bracketed = false;
};

std::optional<Split> split_port(std::string_view text) {
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        const auto rest = text.substr(close + 1);
        if (rest.empty()) return Split{text.substr(1, close - 1), std::nullopt, true};
        if (rest[0] != ':') return std::nullopt;
        return Split{text.substr(1, close - 1), rest.substr(1), true};
    }
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return Split{text, std::nullopt, false};
    if (text.find(':', colon + 1) != std::string_view::npos) return Split{text, std::nullopt, false};  // a bare v6
    return Split{text.substr(0, colon), text.substr(colon + 1), false};
}

bool is_host(std::string_view host) {
    if (host.empty() || host.size() > kMaxHost || host.front() == '.') return false;
    return std::ranges::all_of(host, [](char c) { return base::is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

}  // namespace

std::string IpAddress::to_string() const {
    char text[kMaxAddressText + 1];
    inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text);
    return text;
}

bool IpAddress::loopback() const {
    const IpAddress plain = unmapped();
    if (!plain.v6) return plain.bytes[0] == 127;
    return std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t b) { return b == 0; }) && bytes[15] == 1;
}

IpAddress IpAddress::unmapped() const {
    if (!mapped(*this)) return *this;
    IpAddress v4;
    std::copy(bytes.begin() + kMapped.size(), bytes.end(), v4.bytes.begin());
    return v4;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.empty() || text.size() > kMaxAddressText || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const std::string terminated(text);
    IpAddress ip;
    ip.v6 = text.find(':') != std::string_view::npos;
    if (inet_pton(ip.v6 ? AF_INET6 : AF_INET, terminated.c_str(), ip.bytes.data()) != 1) return std::nullopt;
    return ip;
}

bool Network::contains(const IpAddress& ip) const {
    const IpAddress other = base.v6 && mapped(base) ? ip : ip.unmapped();
    if (other.v6 != base.v6) return false;
    const auto whole = static_cast<std::size_t>(prefix) / 8;
    if (!std::equal(base.bytes.begin(), base.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                    other.bytes.begin())) {
        return false;
    }
    const int rest = prefix % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xFFU << (8 - rest));
    return (base.bytes[whole] & mask) == (other.bytes[whole] & mask);
}

std::optional<Network> Network::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto ip = IpAddress::parse(text.substr(0, slash));
    if (!ip) return std::nullopt;
    Network network{*ip, ip->v6 ? 128 : 32};
    if (slash == std::string_view::npos) return network;
    const auto bits = parse_port(text.substr(slash + 1));
    if (!bits || *bits > network.prefix) return std::nullopt;
    network.prefix = *bits;
    for (std::size_t bit = *bits; bit < network.base.bytes.size() * 8; ++bit) {
        network.base.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    }
    return network;
}

std::string Network::to_string() const { return base.to_string() + "/" + std::to_string(prefix); }

std::string Endpoint::to_string() const {
    if (!unix_path.empty()) return "unix:" + unix_path;
    if (ip.v6) return "[" + ip.to_string() + "]:" + std::to_string(port);
    return ip.to_string() + ":" + std::to_string(port);
}

base::Result<Endpoint> parse_endpoint(std::string_view text) {
    Endpoint endpoint;
    if (text.starts_with("unix:")) {
        endpoint.unix_path = text.substr(5);
        if (endpoint.unix_path.empty() || endpoint.unix_path[0] != '/') {
            return bad(text, "the path of a Unix socket must be absolute");
        }
        if (endpoint.unix_path.size() > kMaxUnixPath)
            return bad(text, "the path of a Unix socket ends at 107 bytes");
        return endpoint;
    }
    const auto parts = split_port(text);
    if (!parts || !parts->port)
        return bad(text, "not an address and port, such as \"[::]:25\" or \"127.0.0.1:25\"");
    const auto port = parse_port(*parts->port);
    if (!port) return bad(text, "the port must be a number up to 65535");
    const auto ip = IpAddress::parse(parts->host);
    if (!ip || ip->v6 != parts->bracketed) {
        return bad(text, "the address must be an IPv4 address or an IPv6 address in brackets, not a name");
    }
    endpoint.ip = *ip;
    endpoint.port = *port;
    return endpoint;
}

std::string HostPort::to_string() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

base::Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port) {
    const auto parts = split_port(text);
    if (!parts) return bad(text, "not a host and port, such as \"mail.example.org:25\" or \"[::1]:25\"");
    HostPort result{std::string(parts->host), default_port};
    if (parts->port) {
        const auto port = parse_port(*parts->port);
        if (!port || *port == 0) return bad(text, "the port must be a number from 1 to 65535");
        result.port = *port;
    }
    if (const auto ip = IpAddress::parse(parts->host)) {
        result.host = ip->to_string();
        if (parts->bracketed && !ip->v6) return bad(text, "only an IPv6 address stands in brackets");
        return result;
    }
    if (parts->bracketed || !is_host(parts->host)) return bad(text, "not a host name or an IP address");
    return result;
}

}  // namespace posthorn::net
