#include "net/interfaces.hpp"

#include <ifaddrs.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace posthorn::net {

std::vector<IpAddress> own_addresses() {
    std::vector<IpAddress> out;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return out;
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owned(list, &::freeifaddrs);
    for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_UP) == 0) continue;
        IpAddress ip;
        if (at->ifa_addr->sa_family == AF_INET) {
            sockaddr_in v4{};
            std::memcpy(&v4, at->ifa_addr, sizeof v4);
            std::memcpy(ip.bytes.data(), &v4.sin_addr, 4);
        } else if (at->ifa_addr->sa_family == AF_INET6) {
            sockaddr_in6 v6{};
            std::memcpy(&v6, at->ifa_addr, sizeof v6);
            if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) continue;
            ip.v6 = true;
            std::memcpy(ip.bytes.data(), &v6.sin6_addr, 16);
        } else {
            continue;
        }
        if (std::ranges::find(out, ip) == out.end()) out.push_back(ip);
    }
    return out;
}

}  // namespace posthorn::net
