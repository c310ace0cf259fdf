#include "net/impl/sockaddr.hpp"

#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace posthorn::net::impl {

SocketAddress to_sockaddr(const Endpoint& endpoint) {
    SocketAddress result;
    if (!endpoint.unix_path.empty()) {
        auto* un = reinterpret_cast<sockaddr_un*>(&result.storage);
        un->sun_family = AF_UNIX;
        const auto size = std::min(endpoint.unix_path.size(), sizeof un->sun_path - 1);
        std::memcpy(un->sun_path, endpoint.unix_path.data(), size);
        result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size + 1);
    } else if (endpoint.ip.v6) {
        auto* in = reinterpret_cast<sockaddr_in6*>(&result.storage);
        in->sin6_family = AF_INET6;
        in->sin6_port = htons(endpoint.port);
        std::memcpy(&in->sin6_addr, endpoint.ip.bytes.data(), 16);
        result.size = sizeof *in;
    } else {
        auto* in = reinterpret_cast<sockaddr_in*>(&result.storage);
        in->sin_family = AF_INET;
        in->sin_port = htons(endpoint.port);
        std::memcpy(&in->sin_addr, endpoint.ip.bytes.data(), 4);
        result.size = sizeof *in;
    }
    return result;
}

Endpoint from_sockaddr(const SocketAddress& address) {
    Endpoint result;
    if (address.family() == AF_INET6) {
        const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
        result.ip.v6 = true;
        std::memcpy(result.ip.bytes.data(), &in->sin6_addr, 16);
        result.ip = result.ip.unmapped();
        result.port = ntohs(in->sin6_port);
    } else if (address.family() == AF_INET) {
        const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
        std::memcpy(result.ip.bytes.data(), &in->sin_addr, 4);
        result.port = ntohs(in->sin_port);
    } else if (address.family() == AF_UNIX && address.size > offsetof(sockaddr_un, sun_path)) {
        const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
        const auto limit =
            std::min<std::size_t>(address.size - offsetof(sockaddr_un, sun_path), sizeof un->sun_path);
        result.unix_path.assign(un->sun_path, strnlen(un->sun_path, limit));
    }
    return result;
}

Endpoint local_endpoint(int fd) {
    SocketAddress address;
    address.size = sizeof address.storage;
    if (getsockname(fd, address.get(), &address.size) != 0) return {};
    return from_sockaddr(address);
}

std::string errno_text(int code) {
    char text[128];
    return strerror_r(code, text, sizeof text);
}

}  // namespace posthorn::net::impl
