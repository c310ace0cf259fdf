// What every net::Stream promises: the same checks for sockets, in the clear and under TLS, and for the fake that
// other folders' tests stand on.
#include <doctest/doctest.h>

#include <filesystem>

#include "net/sim_loop.hpp"
#include "net/tls.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/unit/net/real_net.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace posthorn::net::testing;

namespace {

struct Pair {
    std::shared_ptr<Stream> client;
    std::shared_ptr<Stream> server;
};

Task<> send(std::shared_ptr<Stream> stream, std::string bytes, IoResult* result) {
    *result = co_await stream->write(bytes, soon(stream->loop()));
}

Task<> receive(std::shared_ptr<Stream> stream, IoResult* result) {
    char byte[1];
    *result = co_await stream->read_some(byte, soon(stream->loop()));
}

Task<> shut(std::shared_ptr<Stream> stream) { co_await stream->shutdown(stream->loop().now() + 1s); }

Task<> check_bytes(Pair pair) {
    Loop& loop = pair.client->loop();
    CHECK_FALSE(pair.server->readable_now());
    std::string big(500'000, '\0');
    for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i % 251);
    IoResult sent;
    spawn(loop, "send", send(pair.client, big, &sent));
    const auto got = co_await read_exactly(pair.server.get(), big.size());
    CHECK(got == big);
    co_await yield(loop);
    CHECK(sent.ok());
    CHECK(sent.size == big.size());
    const std::vector<std::string_view> pieces{"", "one", "", "two", std::string_view(big).substr(0, 40'000), ""};
    IoResult joined;
    joined = co_await pair.server->write(pieces, soon(loop));
    CHECK(joined.size == 40'006);
    const auto text = co_await read_exactly(pair.client.get(), 40'006);
    CHECK(text.starts_with("onetwo"));
    const auto nothing = co_await pair.client->write(std::string_view(), soon(loop));
    CHECK(nothing.ok());
}

Task<> check_ends(Pair pair) {
    Loop& loop = pair.client->loop();
    const auto last = co_await pair.client->write("last", soon(loop));
    CHECK(last.ok());
    spawn(loop, "shut", shut(pair.client));
    const auto got = co_await read_exactly(pair.server.get(), 100);
    CHECK(got == "last");  // then an eof
    CHECK(pair.server->readable_now());
    IoResult end;
    co_await receive(pair.server, &end);
    CHECK(end.status == IoStatus::eof);
    pair.server->close();
    pair.server->close();
    co_await receive(pair.server, &end);
    CHECK(end.status == IoStatus::closed);
    const auto late = co_await pair.server->write("x", soon(loop));
    CHECK(late.status == IoStatus::closed);
}

Task<> check_deadlines(Pair pair) {
    Loop& loop = pair.client->loop();
    char byte[1];
    const auto start = loop.now();
    const auto got = co_await pair.client->read_some(byte, start + 10ms);
    CHECK(got.status == IoStatus::timed_out);
    CHECK(loop.now() >= start + 10ms);
    const auto again = co_await pair.client->read_some(byte, soon(loop));
    CHECK(again.status == IoStatus::closed);
    IoResult end;
    co_await receive(pair.server, &end);
    CHECK(end.status == IoStatus::eof);
}

Task<> check_close_under_way(Pair pair) {
    Loop& loop = pair.client->loop();
    IoResult end;
    bool ended = false;
    spawn(loop, "read", receive(pair.client, &end), [&ended] { ended = true; });
    co_await sleep_until(loop, loop.now() + 1ms);
    pair.client->close();
    CHECK_FALSE(ended);  // never inline
    while (!ended) co_await yield(loop);
    CHECK(end.status == IoStatus::closed);
}

using Check = Task<> (*)(Pair);
constexpr Check kChecks[] = {check_bytes, check_ends, check_deadlines, check_close_under_way};

Task<> upgrade(std::shared_ptr<Stream> stream, std::shared_ptr<const TlsServerContext> context, bool* ok) {
    auto result = co_await stream->start_tls(context, soon(stream->loop()));
    *ok = result.has_value();
}

Task<> check_pair(RealNet* net, std::shared_ptr<Stream>* accepted, std::shared_ptr<const TlsServerContext> server,
                  std::shared_ptr<const TlsClientContext> client, Check check) {
    Pair pair;
    pair.client = co_await dial(net);
    while (!*accepted) co_await yield(net->loop());
    pair.server = std::move(*accepted);
    if (server) {
        bool ok = false;
        bool ended = false;
        spawn(net->loop(), "upgrade", upgrade(pair.server, server, &ok), [&ended] { ended = true; });
        auto result = co_await pair.client->start_tls(client, "mx.example", soon(net->loop()));
        CHECK(result);
        while (!ended) co_await yield(net->loop());
        CHECK(ok);
    }
    co_await check(std::move(pair));
}

void check_sockets(const std::shared_ptr<const TlsServerContext>& server,
                   const std::shared_ptr<const TlsClientContext>& client) {
    RealNet net(1);
    std::shared_ptr<Stream> accepted;
    net.listener->start(*net.loops, [&](Loop&, std::unique_ptr<Stream> stream) { accepted = std::move(stream); });
    for (const auto check : kChecks) net.run(check_pair(&net, &accepted, server, client, check));
}

}  // namespace

TEST_CASE("sockets keep the contract of streams") { check_sockets(nullptr, nullptr); }

TEST_CASE("TLS keeps the contract of streams") {
    char name[] = "/tmp/net-test-XXXXXX";
    const std::string dir = mkdtemp(name);
    REQUIRE(ensure_self_signed("mx.example", dir + "/c", dir + "/k"));
    const auto server = make_tls_server({dir + "/c", dir + "/k"}).value();
    const auto client = make_tls_client(TlsVerify::chain_and_name, dir + "/c").value();
    check_sockets(server, client);
    std::filesystem::remove_all(dir);
}

TEST_CASE("streams in memory keep the contract of streams") {
    for (const auto check : kChecks) {
        SimLoops sim;
        auto made = posthorn::testing::make_stream_pair(sim.at(0));
        CHECK(sim.run(check({std::move(made.client), std::move(made.server)}), 1h));
    }
}
