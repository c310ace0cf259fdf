#include "server/notify.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/log.hpp"

namespace posthorn::server {
namespace {

constexpr timeval kPatience{.tv_sec = 2, .tv_usec = 0};

std::string taken(const char* name) {
    const char* value = std::getenv(name);
    std::string out = value == nullptr ? "" : value;
    ::unsetenv(name);
    return out;
}

std::int64_t number(const std::string& text) {
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size() ? out : 0;
}

std::int64_t microseconds(base::Duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

Notifier::Notifier(std::string socket, base::Duration watchdog) : socket_(std::move(socket)), watchdog_(watchdog) {
    if (!socket_.empty() &&
        (socket_.size() >= sizeof(sockaddr_un::sun_path) || (socket_.front() != '/' && socket_.front() != '@'))) {
        base::log::warning("server.notify_failed",
                           {{"msg", "NOTIFY_SOCKET is not understood"}, {"value", socket_}});
        socket_.clear();
    }
    if (socket_.empty()) watchdog_ = {};
}

Notifier Notifier::from_environment() {
    auto socket = taken("NOTIFY_SOCKET");
    const auto limit = number(taken("WATCHDOG_USEC"));
    const auto pid = taken("WATCHDOG_PID");
    const bool for_us = pid.empty() || number(pid) == ::getpid();
    return {std::move(socket), std::chrono::microseconds(for_us && limit > 0 ? limit : 0)};
}

void Notifier::ready() const { send("READY=1"); }

// The time is what Type=notify-reload wants: it tells this reload from an earlier one.
void Notifier::reloading(base::SteadyTime now) const {
    send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds(now.time_since_epoch())));
}

void Notifier::stopping(base::Duration within) const {
    send("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(microseconds(within)));
}

void Notifier::alive() const { send("WATCHDOG=1"); }

void Notifier::status(std::string_view text) const {
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');  // a new line would begin another message
    send("STATUS=" + line);
}

void Notifier::send(const std::string& message) const {
    if (socket_.empty()) return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, socket_.data(), socket_.size());
    if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int code = fd < 0 ? errno : 0;
    if (fd >= 0) {
        ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
        const auto sent = ::sendto(fd, message.data(), message.size(), MSG_NOSIGNAL,
                                   reinterpret_cast<const sockaddr*>(&to), length);
        if (sent < 0) code = errno;
        ::close(fd);
    }
    if (code != 0)
        base::log::warning("server.notify_failed", {{"socket", socket_}, {"error", std::strerror(code)}});
}

}  // namespace posthorn::server
