// A connected socket on its loop: its readiness, its deadlines, its end. Every coroutine that works on it holds
// it by shared_ptr, so that a Stream may die while one waits. Own thread only.
#pragma once

#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>

#include "base/fd.hpp"
#include "net/address.hpp"
#include "net/impl/suspend.hpp"
#include "net/impl/tls_session.hpp"
#include "net/loop.hpp"
#include "net/stream.hpp"

namespace posthorn::net::impl {

// One unit of a loop's load, from the accept or connect to the socket's end.
class Load {
public:
    explicit Load(Loop& loop) : loop_(&loop) { loop_->add_load(1); }
    ~Load() {
        if (loop_ != nullptr) loop_->add_load(-1);
    }
    Load(Load&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)) {}
    Load& operator=(Load&&) = delete;

private:
    Loop* loop_;
};

enum class Side : std::uint8_t { reading, writing };  // which operation waits
enum class Readiness : std::uint8_t { readable, writable };

class Socket {
public:
    using AsioSocket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, IoExecutor>;

    // `fd` is non-blocking.
    Socket(Loop& loop, Load load, base::Fd fd, Endpoint local, Endpoint peer);
    ~Socket();
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    int fd() { return asio_.native_handle(); }
    bool open() const { return asio_.is_open(); }
    void close();

    // Around each wait: the deadline is armed by one timer for the socket, which is moved only when a deadline
    // comes before it, and looks at its expiry for what is due. finish() tells how the wait ended: ok,
    // timed_out or closed.
    void begin(Side side, base::SteadyTime deadline);
    IoStatus finish(Side side);

    Loop& loop;
    AsioSocket& asio() { return asio_; }
    Endpoint local;
    Endpoint peer;
    std::unique_ptr<TlsSession> tls;  // null: plaintext
    TlsInfo tls_info;                 // once the handshake is done
    bool encrypted = false;
    bool drained = false;  // the last read left room: the kernel has no more for now
    int burst = 0;         // reads that did not wait, in a row

private:
    void arm(base::SteadyTime when);
    void expire();

    struct Wait {
        base::SteadyTime deadline;
        bool active = false;
        bool expired = false;
    };
    Wait& at(Side side) { return waits_[static_cast<std::size_t>(side)]; }

    Load load_;
    AsioSocket asio_;
    std::array<Wait, 2> waits_{};
    TimerId timer_ = 0;
    base::SteadyTime timer_at_{};
};

// Waits until the socket is ready; ok, timed_out or closed.
Task<IoStatus> wait_ready(std::shared_ptr<Socket> socket, Side side, Readiness readiness,
                          base::SteadyTime deadline);

std::unique_ptr<Stream> make_socket_stream(std::shared_ptr<Socket> socket);

}  // namespace posthorn::net::impl
