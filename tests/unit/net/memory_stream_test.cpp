// The fakes that other folders' tests stand on.
#include "tests/support/memory_stream.hpp"

#include <doctest/doctest.h>

#include "net/sim_loop.hpp"
#include "tests/support/fake_connector.hpp"
#include "tests/support/fake_resolver.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace posthorn::testing;
using namespace std::chrono_literals;

namespace {

Task<> read_all(std::shared_ptr<Stream> from, std::string* into, IoStatus* end) {
    char bytes[100];
    while (true) {
        const auto got = co_await from->read_some(bytes, from->loop().now() + 1min);
        if (!got.ok()) {
            *end = got.status;
            co_return;
        }
        into->append(bytes, got.size);
    }
}

Task<> write_all(std::shared_ptr<Stream> to, std::string bytes, IoResult* result, bool then_shut) {
    *result = co_await to->write(bytes, to->loop().now() + 1min);
    if (then_shut) co_await to->shutdown(to->loop().now() + 1min);
}

struct Ends {
    explicit Ends(SimLoops& sim, std::size_t capacity = 64U << 10U) {
        auto pair = make_stream_pair(sim.at(0), {}, {}, capacity);
        client = std::move(pair.client);
        server = std::move(pair.server);
    }
    std::shared_ptr<MemoryStream> client;
    std::shared_ptr<MemoryStream> server;
    std::string got;
    IoStatus end = IoStatus::ok;
    IoResult written;
};

Task<> handshake(std::shared_ptr<Stream> stream, bool client, base::Result<TlsInfo>* result) {
    const auto deadline = stream->loop().now() + 1min;
    if (client) {
        *result = co_await stream->start_tls(std::shared_ptr<const TlsClientContext>(), "mx.example", deadline);
    } else {
        *result = co_await stream->start_tls(std::shared_ptr<const TlsServerContext>(), deadline);
    }
}

Task<> connect_once(Connector& connector, Loop& loop, Endpoint to, base::Result<std::unique_ptr<Stream>>* result) {
    *result = co_await connector.connect(loop, to, loop.now() + 30s);
}

}  // namespace

TEST_CASE("bytes go through a small pipe whole, and its end is seen") {
    SimLoops sim;
    Ends ends(sim, 10);
    const std::string sent(1000, 'x');
    spawn(sim.at(0), "read", read_all(ends.server, &ends.got, &ends.end));
    spawn(sim.at(0), "write", write_all(ends.client, sent, &ends.written, true));
    sim.run_until_idle();
    CHECK(ends.got == sent);
    CHECK(ends.end == IoStatus::eof);
    CHECK(ends.written.ok());
}

TEST_CASE("a cut arrives after exactly the bytes it was set to") {
    SimLoops sim;
    Ends ends(sim);
    ends.server->faults().cut_after = 7;
    spawn(sim.at(0), "read", read_all(ends.server, &ends.got, &ends.end));
    spawn(sim.at(0), "write", write_all(ends.client, "0123456789", &ends.written, false));
    sim.run_until_idle();
    CHECK(ends.got == "0123456");
    CHECK(ends.end == IoStatus::error);
    CHECK(ends.written.status == IoStatus::error);
}

TEST_CASE("a stall ends with the reader's deadline, which closes") {
    SimLoops sim;
    Ends ends(sim);
    ends.server->faults().stall_after = 3;
    spawn(sim.at(0), "read", read_all(ends.server, &ends.got, &ends.end));
    spawn(sim.at(0), "write", write_all(ends.client, "0123456789", &ends.written, false));
    sim.run_until_idle();
    CHECK(ends.got == "012");
    CHECK(ends.written.ok());
    sim.run_for(1min);
    CHECK(ends.end == IoStatus::timed_out);
    CHECK(ends.client->readable_now());
}

TEST_CASE("a writer nobody reads from runs into its deadline") {
    SimLoops sim;
    Ends ends(sim, 10);
    spawn(sim.at(0), "write", write_all(ends.client, std::string(11, 'x'), &ends.written, false));
    sim.run_for(2min);
    CHECK(ends.written.status == IoStatus::timed_out);
}

TEST_CASE("TLS starts when both ends start it") {
    SimLoops sim;
    Ends ends(sim);
    base::Result<TlsInfo> client;
    base::Result<TlsInfo> server;
    spawn(sim.at(0), "client", handshake(ends.client, true, &client));
    sim.run_until_idle();
    CHECK(ends.client->tls() == nullptr);
    spawn(sim.at(0), "server", handshake(ends.server, false, &server));
    sim.run_until_idle();
    REQUIRE(client);
    REQUIRE(server);
    CHECK(server->sni == "mx.example");
    CHECK(ends.client->tls() != nullptr);
}

TEST_CASE("plaintext before TLS, and a fault, fail the handshake") {
    SimLoops sim;
    Ends ends(sim);
    base::Result<TlsInfo> server;
    spawn(sim.at(0), "write", write_all(ends.client, "EHLO x\r\n", &ends.written, false));
    sim.run_until_idle();
    spawn(sim.at(0), "server", handshake(ends.server, false, &server));
    sim.run_until_idle();
    CHECK_FALSE(server);
}

TEST_CASE("the fake network connects, refuses and stalls") {
    SimLoops sim;
    FakeConnector connector;
    const auto at = parse_endpoint("192.0.2.1:25").value();
    const auto silent = parse_endpoint("192.0.2.2:25").value();
    const auto nobody = parse_endpoint("192.0.2.3:25").value();
    std::unique_ptr<MemoryStream> server;
    connector.listen(at, [&](Loop&, std::unique_ptr<MemoryStream> stream) { server = std::move(stream); });
    connector.stall(silent);
    base::Result<std::unique_ptr<Stream>> result;
    CHECK(sim.run(connect_once(connector, sim.at(0), at, &result)));
    REQUIRE(result);
    CHECK(server);
    CHECK((*result)->peer() == at);
    const auto before = sim.clock().steady();
    CHECK(sim.run(connect_once(connector, sim.at(0), nobody, &result)));
    CHECK(result.error().kind == base::ErrorKind::temporary);
    CHECK(sim.clock().steady() == before);
    CHECK(sim.run(connect_once(connector, sim.at(0), silent, &result)));
    CHECK_FALSE(result);
    CHECK(sim.clock().steady() - before == 30s);
    CHECK(connector.attempts() == std::vector{at, nobody, silent});
}

namespace {

Task<> look_up(Resolver& resolver, Loop& loop, std::string name, AddressAnswer* into) {
    *into = co_await resolver.addresses(loop, name);
}

}  // namespace

TEST_CASE("the fake zone follows aliases, and fails as told") {
    SimLoops sim;
    FakeResolver resolver;
    resolver.add_cname("www.example", "host.example");
    resolver.add_address("host.example", "192.0.2.1");
    resolver.add_address("host.example", "2001:db8::1");
    resolver.add_cname("loop.example", "loop.example");
    resolver.fail("bad.example", DnsStatus::timed_out);
    resolver.delay("bad.example", 5s);
    AddressAnswer answer;
    CHECK(sim.run(look_up(resolver, sim.at(0), "www.example", &answer)));
    CHECK(answer.status == DnsStatus::ok);
    REQUIRE(answer.addresses.size() == 2);
    CHECK(answer.addresses[0].v6);
    CHECK(sim.run(look_up(resolver, sim.at(0), "loop.example", &answer)));
    CHECK(answer.status == DnsStatus::servfail);
    CHECK(sim.run(look_up(resolver, sim.at(0), "none.example", &answer)));
    CHECK(answer.status == DnsStatus::nxdomain);
    const auto before = sim.clock().steady();
    CHECK(sim.run(look_up(resolver, sim.at(0), "bad.example", &answer)));
    CHECK(answer.status == DnsStatus::timed_out);
    CHECK(sim.clock().steady() - before == 5s);
}
