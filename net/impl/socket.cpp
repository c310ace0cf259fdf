#include "net/impl/socket.hpp"

#include <algorithm>

#include "net/impl/timers.hpp"

namespace posthorn::net::impl {

Socket::Socket(Loop& on, Load load, base::Fd fd, Endpoint here, Endpoint there)
    : loop(on),
      local(std::move(here)),
      peer(std::move(there)),
      load_(std::move(load)),
      asio_(context_of(on).get_executor()) {
    const int family = !peer.unix_path.empty() || !local.unix_path.empty() ? AF_UNIX : AF_INET6;
    boost::system::error_code error;
    asio_.assign(boost::asio::generic::stream_protocol(family, 0), fd.get(), error);
    if (error) return;  // no room in epoll: the socket is closed from the start
    fd.release();
    asio_.native_non_blocking(true, error);
}

Socket::~Socket() { close(); }

void Socket::close() {
    if (timer_ != 0) loop.cancel(std::exchange(timer_, 0));
    boost::system::error_code ignored;
    asio_.close(ignored);  // ends what waits
}

void Socket::begin(Side side, base::SteadyTime deadline) {
    at(side) = {deadline, true, false};
    if (deadline != kNever && (timer_ == 0 || deadline < timer_at_)) arm(deadline);
}

IoStatus Socket::finish(Side side) {
    at(side).active = false;
    if (at(side).expired) return IoStatus::timed_out;
    return open() ? IoStatus::ok : IoStatus::closed;
}

void Socket::arm(base::SteadyTime when) {
    if (timer_ != 0) loop.cancel(timer_);
    timer_at_ = when;
    timer_ = loop.call_at(when, [this] { expire(); });  // the destructor cancels it
}

void Socket::expire() {
    timer_ = 0;
    const auto now = loop.now();
    auto next = kNever;
    for (auto& wait : waits_) {
        if (!wait.active) continue;
        wait.expired = wait.deadline <= now;
        next = std::min(next, wait.deadline);
    }
    if (next <= now) {
        close();
    } else if (next != kNever) {
        arm(next);
    }
}

Task<IoStatus> wait_ready(std::shared_ptr<Socket> socket, Side side, Readiness readiness,
                          base::SteadyTime deadline) {
    if (!socket->open()) co_return IoStatus::closed;
    socket->begin(side, deadline);
    auto op = suspend<bool>([&socket, readiness](auto resume) {
        const auto type =
            readiness == Readiness::readable ? Socket::AsioSocket::wait_read : Socket::AsioSocket::wait_write;
        socket->asio().async_wait(
            type, [resume = std::move(resume)](const boost::system::error_code&) mutable { resume(true); });
    });
    co_await std::move(op);
    co_return socket->finish(side);
}

}  // namespace posthorn::net::impl
