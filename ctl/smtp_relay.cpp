#include "ctl/smtp_relay.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/json_value.hpp"

namespace posthorn::ctl {
namespace {

struct Where {
    std::string host;
    std::string port;
};

std::optional<Where> smtp_listener(const std::string& file) {
    std::ifstream in(file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto json = base::read_json(text);
    if (!in || !json) return std::nullopt;
    const auto* listeners = (*json)["listeners"].array();
    if (listeners == nullptr) return std::nullopt;
    for (const auto& one : *listeners) {
        const std::string* protocol = one["protocol"].string();
        const std::string* address = one["address"].string();
        const std::int64_t port = one["port"].integer().value_or(0);
        if (protocol == nullptr || *protocol != "smtp" || address == nullptr || port == 0) continue;
        std::string host = *address;
        if (host == "::") host = "::1";
        if (host == "0.0.0.0") host = "127.0.0.1";
        return Where{host, std::to_string(port)};
    }
    return std::nullopt;
}

base::Result<int> connect_to(const Where& where) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(where.host.c_str(), where.port.c_str(), &hints, &found) != 0)
        return base::fail(base::ErrorKind::internal, "listeners.json names no address: " + where.host);
    const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = fd >= 0 && ::connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    const int code = errno;
    ::freeaddrinfo(found);
    if (connected) return fd;
    if (fd >= 0) ::close(fd);
    return base::fail_errno("SMTP listener " + where.host + " port " + where.port, code);
}

bool write_all(int fd, const char* bytes, std::size_t size) {
    while (size > 0) {
        const auto sent = ::write(fd, bytes, size);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

// What is there to read goes to the other side. False: nothing more comes.
bool pass(int from, int to) {
    std::array<char, 16384> buffer{};
    const auto got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) return true;
    return got > 0 && write_all(to, buffer.data(), static_cast<std::size_t>(got));
}

}  // namespace

base::Result<void> relay_smtp(const std::vector<std::string>& runtime_dirs, int input, int output) {
    base::Result<int> server = base::fail(base::ErrorKind::temporary, "the server does not run: no listeners.json");
    for (const auto& folder : runtime_dirs) {
        const auto where = smtp_listener(folder + "/listeners.json");
        if (!where) continue;
        server = connect_to(*where);
        if (server) break;
    }
    if (!server) return std::unexpected(server.error());
    pollfd sides[] = {{.fd = input, .events = POLLIN, .revents = 0},
                      {.fd = *server, .events = POLLIN, .revents = 0}};
    while (true) {
        if (::poll(sides, 2, -1) < 0 && errno != EINTR) break;
        if (sides[0].fd >= 0 && sides[0].revents != 0 && !pass(input, *server)) {
            ::shutdown(*server, SHUT_WR);
            sides[0].fd = -1;
        }
        if (sides[1].revents != 0 && !pass(*server, output)) break;
    }
    ::close(*server);
    return {};
}

}  // namespace posthorn::ctl
