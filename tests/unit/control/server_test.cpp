#include "control/server.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <string>

#include "control/protocol/frame.hpp"
#include "net/loop.hpp"

using namespace posthorn;
using namespace posthorn::control;

namespace {

net::Task<base::Result<Reply>> ping(net::Loop&, Value) {
    co_return Reply{.result = Value::map().set("pong", true)};
}

// 2,000 items of 1 KiB: two megabytes, more than a frame.
net::Task<base::Result<Reply>> long_list(net::Loop&, Value) {
    Reply reply{.result = Value::list(), .info = Value::map().set("matched", 2000)};
    for (int i = 0; i < 2000; ++i) reply.result.add(std::string(1024, 'x'));
    co_return reply;
}

net::Task<base::Result<Reply>> huge(net::Loop&, Value) {
    co_return Reply{.result = Value::map().set("text", std::string(2U << 20U, 'x'))};
}

net::Task<base::Result<Reply>> missing(net::Loop&, Value) {
    co_return base::fail(base::ErrorKind::permanent, "no such message");
}

// Three parts, of which the second is a sign of life alone; "trace" with limit 1 fails after the first.
class Counting final : public Parts {
public:
    explicit Counting(bool fails) : fails_(fails) {}
    net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) override {
        co_await net::yield(loop);
        if (++calls_ == 4) co_return std::nullopt;
        if (fails_ && calls_ == 2) co_return base::fail(base::ErrorKind::temporary, "the disk is gone");
        co_return std::optional<Value>(calls_ == 2 ? Value::list() : Value::list().add(calls_));
    }
    Value info() const override { return Value::map().set("calls", calls_); }

private:
    const bool fails_;
    int calls_ = 0;
};

net::Task<base::Result<Reply>> in_parts(net::Loop&, Value args) {
    co_return Reply{.result = Value::list().add(0),
                    .parts = std::make_shared<Counting>(args.find("limit") != nullptr)};
}

net::Task<base::Result<Reply>> refuses(net::Loop&, Value) { co_return Reply{.result = {}, .refused = "f:1:2: no"}; }

// Works until it is let go.
std::atomic<bool> let_go{false};
net::Task<base::Result<Reply>> takes_long(net::Loop& loop, Value) {
    while (!let_go) co_await net::sleep_until(loop, loop.now() + std::chrono::milliseconds(1));
    co_return Reply{.result = Value::map().set("result", "redirected")};
}

std::atomic<int> afterwards{0};
net::Task<base::Result<Reply>> goes_on(net::Loop&, Value) {
    co_return Reply{.result = Value::map(), .after = [] { ++afterwards; }};
}

// Counts the octets of a long request; with the sender "stop" it stops at the first piece.
net::Task<base::Result<Reply>> counts(net::Loop&, Value args, Incoming& incoming) {
    std::uint64_t octets = 0;
    std::uint64_t parts = 0;
    for (;;) {
        auto part = co_await incoming.next();
        if (!part) co_return std::unexpected(part.error());
        if (!*part) break;
        ++parts;
        for (const auto& item : **part) octets += item.as<Bytes>()->octets.size();
        if (args.find("sender") != nullptr) co_return base::fail(base::ErrorKind::temporary, "enough");
    }
    co_return Reply{.result = Value::map().set("octets", octets).set("parts", parts).set("uid", incoming.uid())};
}

// A server on a socket of its own, and a blocking client of it.
struct World {
    explicit World(Permissions permissions = {}, base::Duration sign_of_life = kSignOfLife) {
        char name[] = "/tmp/posthorn-test-XXXXXX";
        folder = ::mkdtemp(name);
        auto listener = net::bind_listener({.unix_path = folder + "/control.sock"});
        REQUIRE(listener);
        server.emplace(*loops, *std::move(listener),
                       Handlers{{"system.ping", ping},
                                {"queue.list", long_list},
                                {"queue.stats", huge},
                                {"queue.view", missing},
                                {"trace", in_parts},
                                {"queue.redirect", takes_long},
                                {"system.reload", refuses},
                                {"system.shutdown", goes_on}},
                       std::move(permissions), metrics, LongHandlers{{"queue.import", counts}}, sign_of_life);
        loops->start();
        server->start();
    }
    ~World() {
        loops->stop();
        server.reset();
        loops.reset();
        std::filesystem::remove_all(folder);
    }

    std::string folder;
    base::Metrics metrics;
    std::unique_ptr<net::LoopGroup> loops = net::make_loops(1);
    std::optional<Server> server;
};

class Client {
public:
    explicit Client(const World& world) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        const auto path = world.folder + "/control.sock";
        std::memcpy(to.sun_path, path.data(), path.size());
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
        const timeval limit{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(std::string_view bytes) {
        REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == ssize_t(bytes.size()));
    }
    void shut() { ::shutdown(fd_, SHUT_WR); }
    // Nothing: the server closed.
    std::optional<Answer> receive() {
        FrameReader reader;
        std::array<char, 4096> buffer{};
        while (!reader.complete()) {
            const auto got = ::recv(fd_, buffer.data(), std::min(buffer.size(), reader.wants()), 0);
            if (got <= 0) return std::nullopt;
            reader.feed({buffer.data(), static_cast<std::size_t>(got)});
        }
        return decode_answer(reader.take());
    }
    Answer ask(const std::string& command, Value args = Value::map()) {
        send(frame(encode_request({.id = 3, .token = {}, .command = command, .args = std::move(args)})));
        auto answer = receive();
        REQUIRE(answer);
        return *answer;
    }

    // The first frame of a long request, and those after it.
    void begin(const std::string& command, Value args = Value::map()) {
        send(frame(
            encode_request({.id = 3, .token = {}, .command = command, .args = std::move(args), .more = true})));
    }
    void go_on(std::string_view octets, bool more, std::int64_t id = 3) {
        RequestPart part{.id = id, .items = {}, .more = more};
        if (!octets.empty()) part.items.emplace_back(Bytes{std::string(octets)});
        send(frame(encode_part(part)));
    }

private:
    int fd_;
};

}  // namespace

TEST_CASE("one request after the other is answered on one connection") {
    World world;
    Client client(world);
    for (int i = 0; i < 3; ++i) {
        const auto answer = client.ask("system.ping");
        CHECK((answer.ok && answer.id == 3 && answer.result.find("pong")->truth()));
    }
}

TEST_CASE("a request is taken in however small pieces it comes") {
    World world;
    Client client(world);
    for (const char c :
         frame(encode_request({.id = 9, .token = {}, .command = "system.ping", .args = Value::map()})))
        client.send({&c, 1});
    CHECK(client.receive()->id == 9);
}

TEST_CASE("a long list comes in several frames that fit") {
    World world;
    Client client(world);
    auto answer = client.ask("queue.list");
    std::size_t items = answer.result.items()->size();
    std::size_t frames = 1;
    while (answer.more) {
        answer = *client.receive();
        items += answer.result.items()->size();
        ++frames;
    }
    CHECK(items == 2000);
    CHECK(frames > 2);
    CHECK(answer.info.find("matched")->integer() == 2000);
    CHECK(client.ask("system.ping").ok);
}

TEST_CASE("a list that is still being found is sent part by part") {
    World world;
    Client client(world);
    auto answer = client.ask("trace", Value::map().set("what", "x"));
    std::vector<std::int64_t> found;
    int frames = 1;
    while (true) {
        for (const auto& item : *answer.result.items()) found.push_back(*item.integer());
        if (!answer.more) break;
        answer = *client.receive();
        ++frames;
    }
    CHECK(found == std::vector<std::int64_t>{0, 1, 3});
    CHECK(frames == 5);
    CHECK(answer.info.find("calls")->integer() == 4);
    answer = client.ask("trace", Value::map().set("what", "x").set("limit", 1));
    while (answer.ok && answer.more) answer = *client.receive();
    CHECK(answer.code == "busy");
    CHECK(client.ask("system.ping").ok);
}

TEST_CASE("a command that takes long gives signs of life before its result, which need be no list") {
    World world({}, std::chrono::milliseconds(5));
    Client client(world);
    let_go = false;
    auto answer = client.ask("queue.redirect", Value::map().set("id", "x").set("to", "y"));
    for (int sign = 0; sign < 3; ++sign) {
        CHECK((answer.ok && answer.more && answer.result.items() && answer.result.items()->empty()));
        answer = *client.receive();
    }
    let_go = true;
    while (answer.more) answer = *client.receive();
    CHECK(answer.result.find("result")->text() == "redirected");
    CHECK(client.ask("system.ping").ok);

    let_go = false;
    {
        Client leaving(world);
        leaving.send(frame(encode_request(
            {.id = 1, .command = "queue.redirect", .args = Value::map().set("id", "x").set("to", "y")})));
        CHECK(leaving.receive());
    }
    let_go = true;
    CHECK(client.ask("system.ping").ok);
}

TEST_CASE("refusals have a code and leave the connection open") {
    World world;
    Client client(world);
    CHECK(client.ask("queue.burn").code == "unknown_command");
    CHECK(client.ask("queue.freeze").code == "unknown_command");  // in the table, but nobody handles it here
    CHECK(client.ask("queue.view").code == "bad_request");
    CHECK(client.ask("queue.view", Value::map().set("id", "x")).code == "not_found");
    CHECK(client.ask("queue.stats").code == "failed");  // an answer too long for a frame
    CHECK(client.ask("system.ping").ok);
}

TEST_CASE("an order that is refused changes nothing and says why; one that ends the server is answered first") {
    World world;
    Client client(world);
    const auto refused = client.ask("system.reload");
    CHECK((!refused.ok && refused.code == "refused" && refused.message == "f:1:2: no"));
    afterwards = 0;
    CHECK(client.ask("system.shutdown").ok);
    CHECK(client.ask("system.ping").ok);  // one after the other: what comes after the answer has run
    CHECK(afterwards == 1);
}

TEST_CASE("garbage gets an error and the connection is closed") {
    World world;
    for (const std::string& bytes :
         {frame("garbage"), frame(""), std::string("\x00\x10\x00\x01", 4), std::string("GET / HTTP/1.1\r\n")}) {
        Client client(world);
        client.send(bytes);
        const auto answer = client.receive();
        REQUIRE(answer);
        CHECK(answer->code == "bad_request");
        CHECK_FALSE(client.receive());
    }
}

TEST_CASE("too many connections are turned away with a reason") {
    World world;
    std::vector<std::unique_ptr<Client>> clients;
    for (std::size_t i = 0; i < kMaxConnections; ++i) {
        clients.push_back(std::make_unique<Client>(world));
        CHECK(clients.back()->ask("system.ping").ok);
    }
    Client one_more(world);
    CHECK(one_more.receive()->code == "busy");
    CHECK_FALSE(one_more.receive());
    CHECK(clients.front()->ask("system.ping").ok);
}

TEST_CASE("what is permitted changes while connections are open") {
    World world;
    Client client(world);
    CHECK(client.ask("system.ping").ok);
    Permissions asks;
    asks.auth = {.enabled = true, .tokens = {{base::sha256("secret"), Role::read}}};
    world.server->permit(asks);
    CHECK(client.ask("system.ping").code == "forbidden");
    client.send(
        frame(encode_request({.id = 3, .token = "secret", .command = "system.ping", .args = Value::map()})));
    CHECK(client.receive()->ok);
    client.send(
        frame(encode_request({.id = 3, .token = "secret", .command = "system.reload", .args = Value::map()})));
    CHECK(client.receive()->code == "forbidden");
    world.server->permit({});
    CHECK(client.ask("system.ping").ok);
}

TEST_CASE("a long request comes in several frames, and the next request after it") {
    World world;
    Client client(world);
    const std::string piece(700'000, 'x');
    for (int round = 0; round < 2; ++round) {
        client.begin("queue.import");
        for (int i = 0; i < 4; ++i) client.go_on(piece, true);
        client.go_on("", true);  // a sign of life
        client.go_on("end", false);
        const auto answer = client.receive();
        REQUIRE((answer && answer->ok));
        CHECK(answer->result.find("octets")->integer() == 4 * 700'000 + 3);
        CHECK(answer->result.find("parts")->integer() == 6);
        CHECK(answer->result.find("uid")->integer() == ::geteuid());
        CHECK(client.ask("system.ping").ok);
    }
    const auto alone = client.ask("queue.import");  // of one frame
    CHECK((alone.ok && alone.result.find("octets")->integer() == 0));
}

TEST_CASE("a long request that is refused is not read to its end") {
    World world;
    SUBCASE("by its handler") {
        Client client(world);
        client.begin("queue.import", Value::map().set("sender", "stop"));
        client.go_on("one", true);
        CHECK(client.receive()->code == "busy");
        CHECK_FALSE(client.receive());
    }
    SUBCASE("by its arguments") {
        Client client(world);
        client.begin("queue.import", Value::map().set("recipient", "no list"));
        CHECK(client.receive()->code == "bad_request");
        CHECK_FALSE(client.receive());
    }
    SUBCASE("as the command takes none") {
        Client client(world);
        client.begin("system.ping");
        CHECK(client.receive()->code == "bad_request");
        CHECK_FALSE(client.receive());
    }
    SUBCASE("as the token is missing") {
        Permissions asks;
        asks.auth = {.enabled = true, .tokens = {{base::sha256("secret"), Role::write}}};
        world.server->permit(asks);
        Client client(world);
        client.begin("queue.import");
        CHECK(client.receive()->code == "forbidden");
        CHECK_FALSE(client.receive());
    }
}

TEST_CASE("what follows a request and is no part of it ends the conversation") {
    World world;
    std::vector<std::string> wrong = {frame("garbage"), frame(encode_part({.id = 4, .items = {}, .more = true})),
                                      frame(encode_part({.id = 3, .items = {}, .more = true}).substr(1)),
                                      std::string("\x00\x10\x00\x01", 4)};
    wrong.push_back(frame(encode_request({.id = 3, .token = {}, .command = "system.ping", .args = Value::map()})));
    for (const auto& bytes : wrong) {
        Client client(world);
        client.begin("queue.import");
        client.send(bytes);
        CHECK(client.receive()->code == "bad_request");
        CHECK_FALSE(client.receive());
    }
    Client gone(world);
    gone.begin("queue.import");
    gone.shut();
    CHECK(gone.receive()->code == "bad_request");
    Client client(world);
    CHECK(client.ask("system.ping").ok);
}
