// Endpoints as the kernel has them, and errno as text.
#pragma once

#include <sys/socket.h>

#include <string>

#include "net/address.hpp"

namespace posthorn::net::impl {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    int family() const { return storage.ss_family; }
};

SocketAddress to_sockaddr(const Endpoint& endpoint);
// Mapped addresses come out as IPv4. An unnamed Unix peer has an empty path.
Endpoint from_sockaddr(const SocketAddress& address);

Endpoint local_endpoint(int fd);

// strerror, without its data race.
std::string errno_text(int code);

}  // namespace posthorn::net::impl
