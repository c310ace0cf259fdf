#include "net/listener.hpp"

#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <vector>

#include "base/fd.hpp"
#include "base/guarded.hpp"
#include "base/log.hpp"
#include "net/impl/sockaddr.hpp"
#include "net/impl/socket.hpp"

namespace posthorn::net {
namespace {

constexpr int kAcceptBatch = 16;  // accepted in a row before others have their turn
// After an accept that failed for want of descriptors or memory.
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr auto kLogEvery = std::chrono::seconds(10);

using Descriptor = boost::asio::posix::basic_stream_descriptor<impl::IoExecutor>;

// Shared by the Listener and the coroutine that accepts. `loop` and `watched` are set while it runs.
struct Accepting {
    std::atomic<bool> stopped{false};
    std::atomic<bool> running{false};
    base::Guarded<Loop*> loop{nullptr};
    Descriptor* watched = nullptr;  // the loop's thread only
};

Loop& least_loaded(LoopGroup& loops, std::size_t first) {
    Loop* best = &loops.at(first % loops.size());
    for (std::size_t i = 1; i < loops.size(); ++i) {
        Loop& other = loops.at((first + i) % loops.size());
        if (other.load() < best->load()) best = &other;
    }
    return *best;
}

void hand_over(Loop& loop, base::Fd fd, const impl::SocketAddress& from, const Endpoint& local,
               const std::shared_ptr<Listener::OnAccept>& on_accept) {
    Endpoint here = local;
    Endpoint peer = impl::from_sockaddr(from);
    if (local.unix_path.empty()) {
        const int on = 1;
        setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        here = impl::local_endpoint(fd.get());
    }
    loop.post([&loop, load = impl::Load(loop), fd = std::move(fd), here = std::move(here), peer = std::move(peer),
               on_accept]() mutable {
        auto socket =
            std::make_shared<impl::Socket>(loop, std::move(load), std::move(fd), std::move(here), std::move(peer));
        if (!socket->open()) return;
        (*on_accept)(loop, impl::make_socket_stream(std::move(socket)));
    });
}

// Errors of one connection, which came and went before we took it (accept(2) passes them on).
bool is_of_one_peer(int error) {
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case EPERM:
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH: return true;
        default: return false;
    }
}

struct Running {
    std::shared_ptr<Accepting> state;
    ~Running() {
        state->watched = nullptr;
        state->running = false;
        state->loop.with([](Loop*& loop) { loop = nullptr; });
    }
};

// 0: the batch is done, or nobody waits. Otherwise the errno that wants a pause.
int accept_batch(int fd, LoopGroup& loops, std::size_t& turn, const Endpoint& local,
                 const std::shared_ptr<Listener::OnAccept>& on_accept) {
    for (int i = 0; i < kAcceptBatch; ++i) {
        impl::SocketAddress from;
        from.size = sizeof from.storage;
        base::Fd accepted(::accept4(fd, from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (accepted) {
            hand_over(least_loaded(loops, turn++), std::move(accepted), from, local, on_accept);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return 0;
        } else if (!is_of_one_peer(errno)) {
            return errno;
        }
    }
    return 0;
}

Task<> accept_all(Loop& loop, LoopGroup& loops, std::shared_ptr<Accepting> state, base::Fd fd, Endpoint local,
                  std::shared_ptr<Listener::OnAccept> on_accept) {
    const Running running{state};
    Descriptor watched(impl::context_of(loop).get_executor(), fd.get());
    fd.release();
    state->watched = &watched;
    std::size_t turn = loop.index();
    auto log_after = loop.now();
    while (!state->stopped) {
        auto op = impl::suspend<bool>([&watched](auto resume) {
            watched.async_wait(
                Descriptor::wait_read,
                [resume = std::move(resume)](const boost::system::error_code&) mutable { resume(true); });
        });
        co_await std::move(op);
        if (state->stopped || !watched.is_open()) break;
        const int error = accept_batch(watched.native_handle(), loops, turn, local, on_accept);
        if (error == 0) continue;
        if (loop.now() >= log_after) {
            const auto where = local.to_string();
            const auto why = impl::errno_text(error);
            base::log::error("listener.accept_failed", {{"listener", where}, {"error", why}});
            log_after = loop.now() + kLogEvery;
        }
        co_await sleep_until(loop, loop.now() + kPause);
    }
}

// The path as we bound it: another process may have put its own socket there since.
struct UnixPath {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;

    void note() {
        struct stat status{};
        if (::lstat(path.c_str(), &status) != 0) return;
        device = status.st_dev;
        inode = status.st_ino;
    }
    void unlink() const {
        struct stat status{};
        if (path.empty() || ::lstat(path.c_str(), &status) != 0) return;
        if (status.st_dev == device && status.st_ino == inode) ::unlink(path.c_str());
    }
};

class SocketListener final : public Listener {
public:
    SocketListener(base::Fd fd, Endpoint local, UnixPath path)
        : fd_(std::move(fd)), local_(std::move(local)), path_(std::move(path)) {}

    ~SocketListener() override {
        stop();
        path_.unlink();
    }

    bool listen(int backlog) { return ::listen(fd_.get(), backlog) == 0; }

    const Endpoint& local() const override { return local_; }

    void start(LoopGroup& loops, OnAccept on_accept) override {
        if (!fd_ || state_->stopped) return;
        Loop& loop = loops.for_hash(std::hash<std::string>{}(local_.to_string()));
        state_->running = true;
        state_->loop.with([&loop](Loop*& at) { at = &loop; });
        spawn(loop, "accept",
              accept_all(loop, loops, state_, std::move(fd_), local_,
                         std::make_shared<OnAccept>(std::move(on_accept))));
    }

    void stop() override {
        state_->stopped = true;
        state_->loop.with([this](Loop* loop) {
            if (loop == nullptr) return;
            loop->post([state = state_] {
                if (state->watched != nullptr) state->watched->close();
            });
        });
    }

    bool accepting() const override { return state_->running && !state_->stopped; }

private:
    base::Fd fd_;  // until start()
    Endpoint local_;
    UnixPath path_;
    std::shared_ptr<Accepting> state_ = std::make_shared<Accepting>();
};

std::unexpected<base::Error> refused(const Endpoint& at, int code, std::string_view hint = {}) {
    auto error = base::from_errno("listen on " + at.to_string(), code);
    error.kind = base::ErrorKind::permanent;
    error.log_text += hint;
    return std::unexpected(std::move(error));
}

std::string_view hint_for(int code) {
    if (code == EADDRINUSE) return " (another program listens there; [::] takes the IPv4 port too)";
    if (code == EACCES) return " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
    return {};
}

bool is_any_v6(const Endpoint& at) { return at.ip.v6 && at.ip == IpAddress{true, {}}; }

base::Result<std::unique_ptr<Listener>> bind_tcp(const Endpoint& at, const ListenOptions& options) {
    const auto address = impl::to_sockaddr(at);
    base::Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return refused(at, errno);
    const int on = 1;
    const int off = 0;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options.reuse_port) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    // "[::]" listens on both families, whatever the system's default is.
    if (at.ip.v6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (::bind(fd.get(), address.get(), address.size) != 0) return refused(at, errno, hint_for(errno));
    if (::listen(fd.get(), options.backlog) != 0) return refused(at, errno, hint_for(errno));
    Endpoint local = at;
    local.port = impl::local_endpoint(fd.get()).port;
    return std::make_unique<SocketListener>(std::move(fd), std::move(local), UnixPath{});
}

// Removes a socket nobody answers at. An errno, or 0.
int clear_stale(const Endpoint& at) {
    struct stat status{};
    if (::lstat(at.unix_path.c_str(), &status) != 0) return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(status.st_mode)) return EEXIST;
    const base::Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!probe) return errno;
    const auto address = impl::to_sockaddr(at);
    if (::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN) return EADDRINUSE;
    if (errno != ECONNREFUSED) return errno;
    return ::unlink(at.unix_path.c_str()) == 0 ? 0 : errno;
}

base::Result<gid_t> find_group(const std::string& name) {
    std::vector<char> buffer(16U << 10U);
    group entry{};
    group* found = nullptr;
    const int error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return base::fail(base::ErrorKind::permanent,
                          "group " + name + ": " + (error != 0 ? impl::errno_text(error) : "no such group"));
    }
    return entry.gr_gid;
}

base::Result<std::unique_ptr<Listener>> bind_unix(const Endpoint& at, const ListenOptions& options) {
    if (at.unix_path.size() >= sizeof sockaddr_un::sun_path) return refused(at, ENAMETOOLONG);
    if (const int error = clear_stale(at)) {
        return refused(at, error, error == EADDRINUSE ? " (another process answers there)" : "");
    }
    base::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return refused(at, errno);
    const auto address = impl::to_sockaddr(at);
    if (::bind(fd.get(), address.get(), address.size) != 0) return refused(at, errno);
    UnixPath path{at.unix_path};
    path.note();
    auto listener = std::make_unique<SocketListener>(std::move(fd), at, path);  // from here on unlinks
    // Nobody can connect before listen(): the mode need not be right before that.
    if (!options.unix_group.empty()) {
        const auto group = find_group(options.unix_group);
        if (!group) return std::unexpected(group.error());
        if (::chown(at.unix_path.c_str(), static_cast<uid_t>(-1), *group) != 0) return refused(at, errno);
    }
    if (::chmod(at.unix_path.c_str(), options.unix_mode) != 0) return refused(at, errno);
    if (!listener->listen(options.backlog)) return refused(at, errno);
    return listener;
}

}  // namespace

base::Result<std::unique_ptr<Listener>> bind_listener(Endpoint at, ListenOptions options) {
    if (!at.unix_path.empty()) return bind_unix(at, options);
    auto listener = bind_tcp(at, options);
    if (!listener && is_any_v6(at) &&
        (listener.error().code == EAFNOSUPPORT || listener.error().code == EADDRNOTAVAIL)) {
        // A machine without IPv6: "everywhere" is what it has.
        at.ip = IpAddress{};
        return bind_tcp(at, options);
    }
    return listener;
}

}  // namespace posthorn::net
