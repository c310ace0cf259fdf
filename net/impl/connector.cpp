#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "net/cancel.hpp"
#include "net/impl/sockaddr.hpp"
#include "net/impl/socket.hpp"
#include "net/stream.hpp"

namespace posthorn::net {
namespace {

base::Error failure(const Endpoint& to, int code, const std::string& why) {
    base::Error error;
    error.kind = base::ErrorKind::temporary;
    error.status = "4.4.1";  // RFC 3463: no answer from host
    error.log_text = "connect to " + to.to_string() + ": " + why;
    error.code = code;
    return error;
}

class SocketConnector final : public Connector {
public:
    Task<base::Result<std::unique_ptr<Stream>>> connect(Loop& loop, Endpoint to, base::SteadyTime deadline,
                                                        std::shared_ptr<Cancel> cancel) override {
        return open(loop, std::move(to), deadline, std::move(cancel));
    }

private:
    static Task<base::Result<std::unique_ptr<Stream>>> open(Loop& loop, Endpoint to, base::SteadyTime deadline,
                                                            std::shared_ptr<Cancel> cancel) {
        if (cancel && cancel->requested()) co_return std::unexpected(failure(to, ECANCELED, "cancelled"));
        const auto address = impl::to_sockaddr(to);
        base::Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!fd) co_return std::unexpected(failure(to, errno, impl::errno_text(errno)));
        const int raw = fd.get();
        if (to.unix_path.empty()) {
            const int on = 1;
            setsockopt(raw, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            setsockopt(raw, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        }
        const int started = ::connect(raw, address.get(), address.size);
        const int error = started == 0 ? 0 : errno;
        if (error != 0 && error != EINPROGRESS) {
            co_return std::unexpected(failure(to, error, impl::errno_text(error)));
        }
        auto socket = std::make_shared<impl::Socket>(loop, impl::Load(loop), std::move(fd), Endpoint{}, to);
        if (!socket->open()) co_return std::unexpected(failure(to, ENOMEM, "no room to watch the socket"));
        if (error == EINPROGRESS) {
            if (cancel)
                cancel->set([weak = std::weak_ptr(socket)] {
                    if (const auto live = weak.lock()) live->close();
                });
            const auto status =
                co_await impl::wait_ready(socket, impl::Side::writing, impl::Readiness::writable, deadline);
            if (cancel) cancel->set(nullptr);
            if (cancel && cancel->requested()) co_return std::unexpected(failure(to, ECANCELED, "cancelled"));
            if (status != IoStatus::ok) co_return std::unexpected(failure(to, ETIMEDOUT, "timed out"));
            int result = 0;
            socklen_t size = sizeof result;
            getsockopt(raw, SOL_SOCKET, SO_ERROR, &result, &size);
            if (result != 0) co_return std::unexpected(failure(to, result, impl::errno_text(result)));
        }
        socket->local = impl::local_endpoint(raw);
        // An unnamed Unix client is known by the path it called.
        if (socket->local.unix_path.empty()) socket->local.unix_path = to.unix_path;
        co_return impl::make_socket_stream(std::move(socket));
    }
};

}  // namespace

std::unique_ptr<Connector> make_connector() { return std::make_unique<SocketConnector>(); }

}  // namespace posthorn::net
