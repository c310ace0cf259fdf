#include "ctl/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace posthorn::ctl {
namespace {

base::Result<int> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return base::fail_errno("control socket " + path, ENAMETOOLONG);
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return base::fail_errno("socket", errno);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int code = errno;
        ::close(fd);
        return base::fail_errno("control socket " + path, code);
    }
    return fd;
}

// False: nothing came in time.
bool wait_readable(int fd) {
    pollfd what{.fd = fd, .events = POLLIN, .revents = 0};
    int ready = 0;
    do {
        ready = ::poll(&what, 1, control::kSilenceSeconds * 1000);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

}  // namespace

std::vector<std::string> usual_sockets() {
    const auto environment = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value != nullptr ? value : "");
    };
    if (auto path = environment("POSTHORN_CONTROL_SOCKET"); !path.empty()) return {path};
    std::vector<std::string> out{"/run/posthorn/control.sock"};
    if (const auto dir = environment("XDG_RUNTIME_DIR"); !dir.empty())
        out.push_back(dir + "/posthorn/control.sock");
    if (const auto dir = environment("XDG_DATA_HOME"); !dir.empty())
        out.push_back(dir + "/posthorn/run/control.sock");
    else if (const auto home = environment("HOME"); !home.empty())
        out.push_back(home + "/.local/share/posthorn/run/control.sock");
    return out;
}

base::Result<Client> Client::connect(const std::string& path) {
    if (!path.empty()) {
        auto fd = connect_to(path);
        if (!fd) return std::unexpected(fd.error());
        return Client(*fd);
    }
    std::string tried;
    for (const auto& candidate : usual_sockets()) {
        if (auto fd = connect_to(candidate))
            return Client(*fd);
        else
            tried += (tried.empty() ? "" : "; ") + fd.error().log_text;
    }
    return base::fail(base::ErrorKind::temporary, tried);
}

Client::~Client() {
    if (fd_ >= 0) ::close(fd_);
}

base::Result<void> Client::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return base::fail_errno("control socket", errno);
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
}

base::Result<control::Answer> Client::receive() {
    control::FrameReader reader;
    std::array<char, 65536> buffer{};
    while (!reader.complete()) {
        if (reader.oversized()) return base::fail(base::ErrorKind::protocol, "the server sent an oversized frame");
        if (!wait_readable(fd_)) return base::fail(base::ErrorKind::temporary, "the server does not answer");
        const auto got = ::recv(fd_, buffer.data(), std::min(buffer.size(), reader.wants()), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::fail_errno("control socket", errno);
        if (got == 0) return base::fail(base::ErrorKind::temporary, "the server closed the control connection");
        reader.feed({buffer.data(), static_cast<std::size_t>(got)});
    }
    auto answer = control::decode_answer(reader.take());
    if (!answer) return base::fail(base::ErrorKind::protocol, "the server's answer cannot be read");
    return *std::move(answer);
}

base::Result<control::Answer> Client::call(const std::string& command, control::Value args, const Part& part) {
    const control::Request request{.id = ++last_id_, .token = token_, .command = command, .args = std::move(args)};
    if (auto sent = send(control::frame(control::encode_request(request))); !sent)
        return std::unexpected(sent.error());
    return receive_all(part);
}

// An answer that comes before all is sent is a refusal, and the server reads no more.
base::Result<control::Answer> Client::call_long(const std::string& command, control::Value args,
                                                const Pieces& next) {
    return call_with_items(command, std::move(args), [&]() -> base::Result<std::optional<control::Value>> {
        auto piece = next();
        if (!piece) return std::unexpected(piece.error());
        if (!*piece) return std::nullopt;
        return control::Value(control::Bytes{**std::move(piece)});
    });
}

base::Result<control::Answer> Client::call_with_items(const std::string& command, control::Value args,
                                                      const Items& next) {
    const control::Request request{
        .id = ++last_id_, .token = token_, .command = command, .args = std::move(args), .more = true};
    auto sent = send(control::frame(control::encode_request(request)));
    for (bool more = true; more && sent;) {
        auto piece = next();
        if (!piece) return std::unexpected(piece.error());
        more = piece->has_value();
        control::RequestPart part{.id = request.id, .items = {}, .more = more};
        if (more) part.items.push_back(**std::move(piece));
        sent = send(control::frame(control::encode_part(part)));
    }
    auto answer = receive_all({});
    if (!answer && !sent) return std::unexpected(sent.error());
    return answer;
}

base::Result<control::Answer> Client::receive_all(const Part& part) {
    control::Value::List before;
    for (bool alone = true;;) {
        auto answer = receive();
        if (!answer || !answer->ok) return answer;
        auto* list = answer->result.items();
        if (list != nullptr && list->empty() && answer->more) continue;  // a sign of life
        if (list == nullptr && (answer->more || !alone))
            return base::fail(base::ErrorKind::protocol, "an answer in several frames that is no list");
        alone = false;
        if (answer->more && part) {
            part(std::move(*list));
            continue;
        }
        if (list != nullptr && !part) {
            before.insert(before.end(), std::make_move_iterator(list->begin()),
                          std::make_move_iterator(list->end()));
            if (!answer->more) answer->result = std::move(before);
        }
        if (!answer->more) return answer;
    }
}

}  // namespace posthorn::ctl
