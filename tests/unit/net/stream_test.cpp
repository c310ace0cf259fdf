// Streams, listeners and connectors over loopback sockets.
#include "net/stream.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/fd.hpp"
#include "net/cancel.hpp"
#include "tests/unit/net/real_net.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace posthorn::net::testing;

namespace {

Task<> echo(std::shared_ptr<Stream> stream) {
    char bytes[4096];
    while (true) {
        const auto got = co_await stream->read_some(bytes, soon(stream->loop()));
        if (!got.ok()) break;
        const auto put = co_await stream->write(std::string_view(bytes, got.size), soon(stream->loop()));
        if (!put.ok()) break;
    }
    co_await stream->shutdown(soon(stream->loop()));
}

Task<> swallow_nothing(std::shared_ptr<Stream> stream) {
    co_await sleep_until(stream->loop(), stream->loop().now() + 20s);
}

Task<> hang_up(std::shared_ptr<Stream> stream) {
    stream->close();
    co_return;
}

Task<> send_all(std::shared_ptr<Stream> stream, std::string bytes, IoResult* result) {
    *result = co_await stream->write(bytes, soon(stream->loop()));
}

Task<> echo_big(RealNet* net) {
    std::shared_ptr<Stream> stream = co_await dial(net);
    std::string sent(3'000'000, '\0');
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 + i / 251);
    IoResult written;
    spawn(stream->loop(), "send", send_all(stream, sent, &written));
    const auto back = co_await read_exactly(stream.get(), sent.size());
    CHECK(back == sent);
    CHECK(written.ok());
    CHECK(stream->peer() == net->listener->local());
    CHECK(stream->local().ip.loopback());
    CHECK_FALSE(stream->readable_now());
}

Task<> echo_pieces(RealNet* net) {
    auto stream = co_await dial(net);
    std::vector<std::string> parts;
    std::string whole;
    for (int i = 0; i < 200; ++i) {
        parts.push_back(i % 3 == 0 ? std::string() : std::string(static_cast<std::size_t>(i), 'a' + i % 26));
        whole += parts.back();
    }
    std::vector<std::string_view> pieces(parts.begin(), parts.end());
    const auto put = co_await stream->write(std::move(pieces), soon(stream->loop()));
    CHECK(put.size == whole.size());
    const auto back = co_await read_exactly(stream.get(), whole.size());
    CHECK(back == whole);
}

Task<> time_out_read(RealNet* net) {
    auto stream = co_await dial(net);
    char byte[1];
    const auto start = stream->loop().now();
    const auto first = co_await stream->read_some(byte, start + 20ms);
    CHECK(first.status == IoStatus::timed_out);
    CHECK(stream->loop().now() >= start + 20ms);
    const auto second = co_await stream->read_some(byte, soon(stream->loop()));
    CHECK(second.status == IoStatus::closed);
    const auto third = co_await stream->write("x", soon(stream->loop()));
    CHECK(third.status == IoStatus::closed);
}

// A later deadline leaves the timer where it is, an earlier one moves it.
Task<> change_deadlines(RealNet* net) {
    auto stream = co_await dial(net);
    char byte[1];
    for (const auto span : {10s, 1s, 30s}) {
        const auto put = co_await stream->write("x", stream->loop().now() + span);
        CHECK(put.ok());
        const auto got = co_await stream->read_some(byte, stream->loop().now() + span);
        CHECK(got.ok());
    }
    const auto start = stream->loop().now();
    const auto late = co_await stream->read_some(byte, start + 5ms);
    CHECK(late.status == IoStatus::timed_out);
    CHECK(stream->loop().now() < start + 500ms);
}

Task<> time_out_write(RealNet* net) {
    auto stream = co_await dial(net);
    const std::string much(64U << 20U, 'x');
    const auto put = co_await stream->write(much, stream->loop().now() + 50ms);
    CHECK(put.status == IoStatus::timed_out);
    CHECK(put.size > 0);
    CHECK(put.size < much.size());
}

Task<> see_end(RealNet* net) {
    auto stream = co_await dial(net);
    char byte[1];
    const auto got = co_await stream->read_some(byte, soon(stream->loop()));
    CHECK(got.status == IoStatus::eof);
    CHECK(stream->readable_now());
}

Task<> read_one(std::shared_ptr<Stream> stream, IoStatus* status) {
    char byte[1];
    const auto got = co_await stream->read_some(byte, soon(stream->loop()));
    *status = got.status;
}

Task<> keep_status(Task<IoResult> op, IoStatus* status) {
    const auto result = co_await std::move(op);
    *status = result.status;
}

Task<> close_under_way(RealNet* net, bool destroy) {
    std::shared_ptr<Stream> stream = co_await dial(net);
    Loop& loop = stream->loop();
    IoStatus status = IoStatus::ok;
    bool ended = false;
    std::array<char, 1> byte{};
    // The operation knows only the socket, so that the stream may go first.
    spawn(loop, "read", keep_status(stream->read_some(byte, soon(loop)), &status), [&ended] { ended = true; });
    co_await sleep_until(loop, loop.now() + 2ms);
    CHECK_FALSE(ended);
    if (destroy) {
        stream.reset();
    } else {
        stream->close();
        stream->close();
    }
    while (!ended) co_await yield(loop);
    CHECK(status == IoStatus::closed);
}

Task<> refused(RealNet* net, Endpoint to) {
    const auto result = co_await net->connector->connect(net->loop(), to, soon(net->loop()));
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == base::ErrorKind::temporary);
    CHECK(result.error().log_text == "connect to " + to.to_string() + ": Connection refused");
}

// A socket that listens, and whose queue is full: who connects gets no answer.
struct FullBacklog {
    FullBacklog() : listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
        REQUIRE(::listen(listener.get(), 0) == 0);
        REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
        endpoint = {*IpAddress::parse("127.0.0.1"), ntohs(at.sin_port), {}};
        for (int i = 0; i < 8; ++i) {
            waiting.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            (void)::connect(waiting.back().get(), reinterpret_cast<sockaddr*>(&at), size);
        }
    }
    base::Fd listener;
    std::vector<base::Fd> waiting;
    Endpoint endpoint;
};

Task<> connect_cancelled(RealNet* net, Endpoint to) {
    const auto cancel = std::make_shared<Cancel>();
    const auto began = net->loop().now();
    net->loop().call_after(50ms, [cancel] { cancel->request(); });
    const auto result = co_await net->connector->connect(net->loop(), to, began + 1h, cancel);
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == base::ErrorKind::temporary);
    CHECK(result.error().log_text == "connect to " + to.to_string() + ": cancelled");
    // What was cancelled before it began ends as soon, a host that answers or not.
    const auto again = co_await net->connector->connect(net->loop(), net->listener->local(), began + 1h, cancel);
    REQUIRE_FALSE(again);
}

Task<> talk_once(RealNet* net, std::size_t loop, int id) {
    auto stream =
        co_await net->connector->connect(net->loops->at(loop), net->listener->local(), soon(net->loops->at(loop)));
    REQUIRE(stream);
    const auto text = std::to_string(id);
    for (int i = 0; i < 5; ++i) {
        co_await (*stream)->write(text, soon((*stream)->loop()));
        const auto back = co_await read_exactly(stream->get(), text.size());
        CHECK(back == text);
    }
    co_await (*stream)->shutdown(soon((*stream)->loop()));
}

Task<> credentials(std::shared_ptr<Stream> stream) {
    const auto peer = peer_credentials(*stream);
    auto text = peer ? std::to_string(peer->uid) + " " + std::to_string(peer->pid) : std::string("none");
    if (peer) {
        for (const unsigned gid : peer->groups) text += " " + std::to_string(gid);
    }
    co_await stream->write(text, soon(stream->loop()));
    co_await stream->shutdown(soon(stream->loop()));
}

Task<> ask_credentials(RealNet* net, std::string* answer) {
    auto stream = co_await dial(net);
    *answer = co_await read_exactly(stream.get(), 1000);
}

Task<> see_nothing_then_leave(RealNet* net) {
    std::shared_ptr<Stream> stream = co_await dial(net);
    static IoStatus status;
    spawn(stream->loop(), "left behind", read_one(stream, &status));
    co_await yield(stream->loop());
}

Task<> connect_to(RealNet* net, Endpoint to) {
    auto stream = co_await net->connector->connect(net->loop(), to, soon(net->loop()));
    REQUIRE(stream);
    co_await (*stream)->write("x", soon(net->loop()));
    const auto back = co_await read_exactly(stream->get(), 1);
    CHECK(back == "x");
}

struct TempDir {
    TempDir() {
        char name[] = "/tmp/net-test-XXXXXX";
        path = mkdtemp(name);
    }
    ~TempDir() { std::filesystem::remove_all(path); }
    std::string path;
};

}  // namespace

TEST_CASE("much goes both ways at once, whole") {
    RealNet net;
    net.serve(echo);
    net.run(echo_big(&net));
}

TEST_CASE("many pieces leave in order") {
    RealNet net;
    net.serve(echo);
    net.run(echo_pieces(&net));
}

TEST_CASE("a read and a write end at their deadline, and with them the stream") {
    RealNet net;
    net.serve(swallow_nothing);
    net.run(time_out_read(&net));
    net.run(time_out_write(&net));
}

TEST_CASE("a deadline holds however it moves") {
    RealNet net;
    net.serve(echo);
    net.run(change_deadlines(&net));
}

TEST_CASE("the end of the peer is seen") {
    RealNet net;
    net.serve(hang_up);
    net.run(see_end(&net));
}

TEST_CASE("closing or destroying a stream ends what is under way") {
    RealNet net;
    net.serve(swallow_nothing);
    net.run(close_under_way(&net, false));
    net.run(close_under_way(&net, true));
}

TEST_CASE("a connection that is being opened ends at once when that is asked for") {
    RealNet net;
    const FullBacklog silent;
    net.run(connect_cancelled(&net, silent.endpoint));
}

TEST_CASE("a refused connection is a temporary error that says why") {
    RealNet net;
    auto gone = bind_listener(parse_endpoint("127.0.0.1:0").value());
    REQUIRE(gone);
    const auto at = (*gone)->local();
    gone->reset();
    net.run(refused(&net, at));
}

TEST_CASE("many connections spread over the loops") {
    RealNet net;
    net.serve(echo);
    std::atomic<int> ended{0};
    for (int i = 0; i < 60; ++i) {
        const auto loop = static_cast<std::size_t>(i % 2);
        spawn(net.loops->at(loop), "talk", talk_once(&net, loop, i), [&] {
            ++ended;
            ended.notify_all();
        });
    }
    for (int seen = ended; seen < 60; seen = ended) ended.wait(seen);
    CHECK(net.listener->accepting());
    net.listener->stop();
    net.listener->stop();
    CHECK_FALSE(net.listener->accepting());
}

TEST_CASE("loops that end take their streams along") {
    RealNet net;
    net.serve(swallow_nothing);
    net.run(see_nothing_then_leave(&net));
}

TEST_CASE("[::] takes both families") {
    auto bound = bind_listener(parse_endpoint("[::]:0").value());
    REQUIRE(bound);
    RealNet net;
    (*bound)->start(*net.loops, [](Loop& loop, std::unique_ptr<Stream> stream) {
        spawn(loop, "echo", echo(std::shared_ptr<Stream>(std::move(stream))));
    });
    net.listener = std::move(*bound);
    auto at = net.listener->local();
    CHECK(at.port != 0);
    at.ip = *IpAddress::parse("127.0.0.1");
    net.run(connect_to(&net, at));
}

TEST_CASE("a port in use is an error that names it") {
    RealNet net;
    const auto second = bind_listener(net.listener->local());
    REQUIRE_FALSE(second);
    CHECK(second.error().log_text.find(net.listener->local().to_string()) != std::string::npos);
    CHECK(second.error().log_text.find("in use") != std::string::npos);
}

TEST_CASE("a Unix socket has its mode, knows its peer, and leaves no file behind") {
    const TempDir dir;
    const auto path = dir.path + "/s";
    {
        RealNet net(1, "unix:" + path);
        struct stat status{};
        REQUIRE(::lstat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
        const auto second = bind_listener(parse_endpoint("unix:" + path).value());
        CHECK_FALSE(second);  // it answers
        net.serve(credentials);
        std::string answer;
        net.run(ask_credentials(&net, &answer));
        auto expected = std::to_string(getuid()) + " " + std::to_string(getpid());
        std::vector<gid_t> groups(static_cast<std::size_t>(getgroups(0, nullptr)));
        REQUIRE(getgroups(static_cast<int>(groups.size()), groups.data()) >= 0);
        for (const gid_t gid : groups) expected += " " + std::to_string(gid);
        CHECK(answer == expected);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a stale Unix socket is replaced, a file is not") {
    const TempDir dir;
    const auto at = parse_endpoint("unix:" + dir.path + "/s").value();
    {
        auto first = bind_listener(at);
        REQUIRE(first);
        std::filesystem::rename(at.unix_path, at.unix_path + ".kept");  // out of reach of its unlink
    }
    std::filesystem::rename(at.unix_path + ".kept", at.unix_path);
    CHECK(bind_listener(at));
    std::ofstream(at.unix_path) << "mail";
    CHECK_FALSE(bind_listener(at));
    CHECK(std::filesystem::exists(at.unix_path));
}

TEST_CASE("a Unix socket whose path is too long is refused, not bound to a part of it") {
    const TempDir dir;
    Endpoint at;
    at.unix_path = dir.path + "/" + std::string(107 - dir.path.size(), 's');
    const auto bound = bind_listener(at);
    REQUIRE_FALSE(bound);
    CHECK(bound.error().code == ENAMETOOLONG);
    CHECK(std::filesystem::is_empty(dir.path));
    at.unix_path.pop_back();
    CHECK(bind_listener(at));
}

TEST_CASE("an unknown group fails and leaves nothing") {
    const TempDir dir;
    const auto at = parse_endpoint("unix:" + dir.path + "/s").value();
    ListenOptions options;
    options.unix_group = "no-such-group-here";
    CHECK_FALSE(bind_listener(at, options));
    CHECK_FALSE(std::filesystem::exists(at.unix_path));
}
