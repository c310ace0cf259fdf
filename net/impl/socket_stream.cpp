// net::Stream over a socket, in the clear or through TLS. Each operation first does what can be done at once and
// waits only then.
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <cerrno>

#include "net/impl/sockaddr.hpp"
#include "net/impl/socket.hpp"
#include "net/listener.hpp"

namespace posthorn::net::impl {
namespace {

using SocketPtr = std::shared_ptr<Socket>;
using Next = TlsSession::Next;

// A peer that sends without pause must not keep the loop for itself.
constexpr int kMaxBurst = 16;
constexpr std::size_t kMaxPieces = 64;  // of one sendmsg
constexpr std::size_t kTlsRecord = 16U << 10U;
// A closed socket with unread input sends a reset that overtakes our last reply: what the peer still sends is
// thrown away for a moment, until its FIN.
constexpr auto kLinger = std::chrono::seconds(1);
constexpr std::size_t kLingerBytes = 256U << 10U;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

IoResult failed(int error) { return {IoStatus::error, 0, errno_text(error)}; }

struct Received {
    boost::system::error_code error;
    std::size_t size;
};

Task<IoResult> read_plain(SocketPtr socket, std::span<char> into, base::SteadyTime deadline) {
    if (!socket->open()) co_return IoResult{IoStatus::closed};
    if (!socket->drained && socket->burst < kMaxBurst) {
        const auto got = ::recv(socket->fd(), into.data(), into.size(), 0);
        if (got > 0) {
            const auto size = static_cast<std::size_t>(got);
            socket->drained = size < into.size();
            ++socket->burst;
            co_return IoResult{IoStatus::ok, size};
        }
        if (got == 0) co_return IoResult{IoStatus::eof};
        if (!would_block(errno) && errno != EINTR) co_return failed(errno);
    }
    socket->burst = 0;
    socket->begin(Side::reading, deadline);
    auto op = suspend<Received>([&socket, into](auto resume) {
        // Asio tries at once and completes through the loop's queue, so that the others have their turn.
        socket->asio().async_read_some(
            boost::asio::buffer(into.data(), into.size()),
            [resume = std::move(resume)](const boost::system::error_code& error, std::size_t size) mutable {
                resume(Received{error, size});
            });
    });
    const Received received = co_await std::move(op);
    const auto status = socket->finish(Side::reading);
    if (received.size > 0) {  // also when the deadline closed the socket just then: the bytes are good
        socket->drained = received.size < into.size();
        co_return IoResult{IoStatus::ok, received.size};
    }
    if (status != IoStatus::ok) co_return IoResult{status};
    if (received.error == boost::asio::error::eof) co_return IoResult{IoStatus::eof};
    if (received.error) co_return failed(received.error.value());
    co_return IoResult{IoStatus::ok, 0};
}

// Null: goes on. Otherwise how the operation ended.
std::optional<IoResult> tls_end(const Socket& socket, Next next) {
    if (next == Next::eof) return IoResult{IoStatus::eof};
    if (next == Next::failed) return IoResult{IoStatus::error, 0, "TLS " + socket.tls->error()};
    return std::nullopt;
}

Readiness readiness_of(Next next) { return next == Next::writable ? Readiness::writable : Readiness::readable; }

Task<IoResult> read_tls(SocketPtr socket, std::span<char> into, base::SteadyTime deadline) {
    while (true) {
        if (!socket->open()) co_return IoResult{IoStatus::closed};
        if (++socket->burst > kMaxBurst) {
            socket->burst = 0;
            co_await yield(socket->loop);
            continue;
        }
        const auto io = socket->tls->read(into);
        if (io.next == Next::done) co_return IoResult{IoStatus::ok, io.size};
        if (auto end = tls_end(*socket, io.next)) co_return std::move(*end);
        socket->burst = 0;
        const auto status = co_await wait_ready(socket, Side::reading, readiness_of(io.next), deadline);
        if (status != IoStatus::ok) co_return IoResult{status};
    }
}

// What is left to send of a list of pieces.
class Pieces {
public:
    explicit Pieces(std::vector<std::string_view> pieces) : pieces_(std::move(pieces)) { skip_empty(); }
    explicit Pieces(std::string_view piece) : single_(piece), count_(piece.empty() ? 0 : 1) {}

    bool empty() const { return next_ >= count(); }
    std::size_t written() const { return written_; }

    std::size_t fill(std::span<iovec> into) const {
        std::size_t n = 0;
        for (std::size_t i = next_; i < count() && n < into.size(); ++i, ++n) {
            const auto piece = i == next_ ? at(i).substr(offset_) : at(i);
            into[n] = {const_cast<char*>(piece.data()), piece.size()};
        }
        return n;
    }

    // The next piece, or, of small ones, several joined in `buffer` up to a TLS record.
    std::string_view record(std::string& buffer) const {
        const auto first = at(next_).substr(offset_);
        if (next_ + 1 >= count() || first.size() >= kTlsRecord) return first.substr(0, kTlsRecord);
        buffer.assign(first);
        for (std::size_t i = next_ + 1; i < count() && buffer.size() < kTlsRecord; ++i) {
            buffer.append(at(i).substr(0, kTlsRecord - buffer.size()));
        }
        return buffer;
    }

    void advance(std::size_t size) {
        written_ += size;
        while (!empty() && size >= at(next_).size() - offset_) {
            size -= at(next_).size() - offset_;
            offset_ = 0;
            ++next_;
        }
        if (!empty()) offset_ += size;
        skip_empty();
    }

private:
    std::size_t count() const { return pieces_.empty() ? count_ : pieces_.size(); }
    std::string_view at(std::size_t i) const { return pieces_.empty() ? single_ : pieces_[i]; }
    void skip_empty() {
        while (!empty() && at(next_).empty()) ++next_;
    }

    std::vector<std::string_view> pieces_;
    std::string_view single_;
    std::size_t count_ = 0;
    std::size_t next_ = 0;
    std::size_t offset_ = 0;  // into the next piece
    std::size_t written_ = 0;
};

Task<IoResult> write_plain(SocketPtr socket, Pieces pieces, base::SteadyTime deadline) {
    while (!pieces.empty()) {
        if (!socket->open()) co_return IoResult{IoStatus::closed, pieces.written()};
        std::array<iovec, kMaxPieces> vectors;
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = pieces.fill(vectors);
        const auto sent = ::sendmsg(socket->fd(), &message, MSG_NOSIGNAL);
        if (sent >= 0) {
            pieces.advance(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno == EINTR) continue;
        if (!would_block(errno)) {
            const int error = errno;
            co_return IoResult{IoStatus::error, pieces.written(), errno_text(error)};
        }
        const auto status = co_await wait_ready(socket, Side::writing, Readiness::writable, deadline);
        if (status != IoStatus::ok) co_return IoResult{status, pieces.written()};
    }
    co_return IoResult{IoStatus::ok, pieces.written()};
}

Task<IoResult> write_tls(SocketPtr socket, Pieces pieces, base::SteadyTime deadline) {
    std::string joined;
    while (!pieces.empty()) {
        if (!socket->open()) co_return IoResult{IoStatus::closed, pieces.written()};
        const auto io = socket->tls->write(pieces.record(joined));
        if (io.next == Next::done) {
            pieces.advance(io.size);
            continue;
        }
        if (auto end = tls_end(*socket, io.next)) {
            if (end->status == IoStatus::eof) end = IoResult{IoStatus::error, 0, "TLS: the peer has closed"};
            end->size = pieces.written();
            co_return std::move(*end);
        }
        const auto status = co_await wait_ready(socket, Side::writing, readiness_of(io.next), deadline);
        if (status != IoStatus::ok) co_return IoResult{status, pieces.written()};
    }
    co_return IoResult{IoStatus::ok, pieces.written()};
}

base::Error tls_failure(const Socket& socket, std::string why) {
    base::Error error;
    error.kind = base::ErrorKind::temporary;
    error.status = "4.7.0";
    error.peer_text = "TLS handshake failed";
    error.log_text = "TLS with " + socket.peer.to_string() + ": " + std::move(why);
    return error;
}

Task<base::Result<TlsInfo>> handshake(SocketPtr socket, base::Result<std::unique_ptr<TlsSession>> session,
                                      base::SteadyTime deadline) {
    if (!session) co_return std::unexpected(std::move(session.error()));
    socket->tls = std::move(*session);
    while (true) {
        if (!socket->open()) co_return std::unexpected(tls_failure(*socket, "closed"));
        const auto next = socket->tls->handshake();
        if (next == Next::done) break;
        if (next == Next::failed || next == Next::eof) {
            // The alert that says why is on its way: FIN follows it, no reset.
            ::shutdown(socket->fd(), SHUT_WR);
            socket->close();
            co_return std::unexpected(tls_failure(*socket, socket->tls->error()));
        }
        const auto status = co_await wait_ready(socket, Side::reading, readiness_of(next), deadline);
        if (status == IoStatus::timed_out) co_return std::unexpected(tls_failure(*socket, "timed out"));
    }
    socket->tls_info = socket->tls->info();
    socket->encrypted = true;
    socket->drained = false;
    co_return socket->tls_info;
}

Task<> shut_down(SocketPtr socket, base::SteadyTime deadline) {
    if (!socket->open()) co_return;
    if (socket->encrypted) {
        const auto next = socket->tls->close_notify();
        if (next == Next::writable) {
            const auto status = co_await wait_ready(socket, Side::writing, Readiness::writable, deadline);
            if (status == IoStatus::ok) socket->tls->close_notify();
        }
        if (!socket->open()) co_return;
    }
    ::shutdown(socket->fd(), SHUT_WR);
    const auto until = std::min(deadline, socket->loop.now() + kLinger);
    std::array<char, 4096> waste;
    for (std::size_t total = 0; socket->open() && total < kLingerBytes;) {
        const auto got = ::recv(socket->fd(), waste.data(), waste.size(), 0);
        if (got > 0) {
            total += static_cast<std::size_t>(got);
            continue;
        }
        if (got == 0 || !would_block(errno)) break;
        const auto status = co_await wait_ready(socket, Side::reading, Readiness::readable, until);
        if (status != IoStatus::ok) break;
    }
    socket->close();
}

class SocketStream final : public Stream {
public:
    explicit SocketStream(SocketPtr socket) : socket_(std::move(socket)) {}
    ~SocketStream() override { socket_->close(); }

    Task<IoResult> read_some(std::span<char> into, base::SteadyTime deadline) override {
        return socket_->encrypted ? read_tls(socket_, into, deadline) : read_plain(socket_, into, deadline);
    }
    Task<IoResult> write(std::string_view bytes, base::SteadyTime deadline) override {
        return write(Pieces(bytes), deadline);
    }
    Task<IoResult> write(std::vector<std::string_view> pieces, base::SteadyTime deadline) override {
        return write(Pieces(std::move(pieces)), deadline);
    }
    Task<base::Result<TlsInfo>> start_tls(std::shared_ptr<const TlsServerContext> context,
                                          base::SteadyTime deadline) override {
        return handshake(socket_, TlsSession::server(*context, socket_->fd()), deadline);
    }
    Task<base::Result<TlsInfo>> start_tls(std::shared_ptr<const TlsClientContext> context, std::string server_name,
                                          base::SteadyTime deadline) override {
        return handshake(socket_, TlsSession::client(*context, socket_->fd(), server_name), deadline);
    }
    Task<> shutdown(base::SteadyTime deadline) override { return shut_down(socket_, deadline); }
    void close() override { socket_->close(); }
    bool readable_now() override;
    const Endpoint& peer() const override { return socket_->peer; }
    const Endpoint& local() const override { return socket_->local; }
    const TlsInfo* tls() const override { return socket_->encrypted ? &socket_->tls_info : nullptr; }
    Loop& loop() override { return socket_->loop; }

    Socket& socket() const { return *socket_; }

private:
    Task<IoResult> write(Pieces pieces, base::SteadyTime deadline) {
        return socket_->encrypted ? write_tls(socket_, std::move(pieces), deadline)
                                  : write_plain(socket_, std::move(pieces), deadline);
    }

    SocketPtr socket_;
};

bool SocketStream::readable_now() {
    if (!socket_->open()) return true;
    if (socket_->encrypted) return socket_->tls->readable();
    char byte = 0;
    const auto got = ::recv(socket_->fd(), &byte, 1, MSG_PEEK);
    return got >= 0 || !would_block(errno);
}

}  // namespace

std::unique_ptr<Stream> make_socket_stream(std::shared_ptr<Socket> socket) {
    return std::make_unique<SocketStream>(std::move(socket));
}

}  // namespace posthorn::net::impl

namespace posthorn::net {

namespace {

// Groups that cannot be told are none: they could only allow more.
std::vector<unsigned> peer_groups(int fd) {
    std::vector<gid_t> groups(64);
    for (;;) {
        auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
            groups.resize(size / sizeof(gid_t));
            return {groups.begin(), groups.end()};
        }
        if (errno != ERANGE || size <= groups.size() * sizeof(gid_t)) return {};
        groups.resize(size / sizeof(gid_t));  // as many as there are
    }
}

}  // namespace

std::optional<PeerCredentials> peer_credentials(const Stream& stream) {
    const auto* own = dynamic_cast<const impl::SocketStream*>(&stream);
    if (own == nullptr || own->local().unix_path.empty() || !own->socket().open()) return std::nullopt;
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (getsockopt(own->socket().fd(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
    return PeerCredentials{credentials.uid, credentials.gid, credentials.pid, peer_groups(own->socket().fd())};
}

}  // namespace posthorn::net
