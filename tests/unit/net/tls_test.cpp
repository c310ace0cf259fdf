// TLS over loopback sockets, with certificates made for the test.
#include "net/tls.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/net/real_net.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace posthorn::net::testing;

namespace {

// Its pass phrase is "secret".
constexpr auto kLockedKey = R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjIP+UZyzt5xwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEFi/uJ+RyXSyNllTwT8V7vQEgZDE
Hm01MclaWmQ3MRGg41GWaCqBTjDJPnlTMsIn0kCaQ6tbvT0j2zAS6lbNyx/BOKzL
5aN4GQkfBfYGx/n+y3RVdLJYtWhkZhwkd9wIKKSdQtYoTNP/yU2YOTgGTd3045eG
53ZgVL00rAKNJkXlYqLHrQrojCYWa+zZEFZnhrHVjzIabio6J0w0xwBxTy+SnXM=
-----END ENCRYPTED PRIVATE KEY-----
)";

// A certificate for "mx.example" and the contexts that go with it.
struct Certificates {
    Certificates() {
        char name[] = "/tmp/net-test-XXXXXX";
        dir = mkdtemp(name);
        certificate = dir + "/cert.pem";
        key = dir + "/key.pem";
        REQUIRE(ensure_self_signed("mx.example", certificate, key).value());
        server = make_tls_server({certificate, key}).value();
        unverified = make_tls_client(TlsVerify::none).value();
        verified = make_tls_client(TlsVerify::chain_and_name, certificate).value();
    }
    ~Certificates() { std::filesystem::remove_all(dir); }

    std::string dir;
    std::string certificate;
    std::string key;
    std::shared_ptr<const TlsServerContext> server;
    std::shared_ptr<const TlsClientContext> unverified;
    std::shared_ptr<const TlsClientContext> verified;
};

struct ServerSide {
    std::shared_ptr<const TlsServerContext> context;
    base::Result<TlsInfo> result;
    std::string greeting;  // plaintext first, as STARTTLS has it
};

// "220", TLS, then an echo.
Task<> serve_tls(std::shared_ptr<Stream> stream, ServerSide* side) {
    co_await stream->write(side->greeting, soon(stream->loop()));
    auto result = co_await stream->start_tls(side->context, soon(stream->loop()));
    side->result = std::move(result);
    if (!side->result) co_return;
    std::string bytes(5000, '\0');
    while (true) {
        const auto got = co_await stream->read_some(bytes, soon(stream->loop()));
        if (!got.ok()) break;
        const auto put = co_await stream->write(std::string_view(bytes).substr(0, got.size), soon(stream->loop()));
        if (!put.ok()) break;
    }
    co_await stream->shutdown(soon(stream->loop()));
}

void start(RealNet& net, ServerSide& side) {
    net.listener->start(*net.loops, [&side](Loop& loop, std::unique_ptr<Stream> stream) {
        spawn(loop, "tls", serve_tls(std::shared_ptr<Stream>(std::move(stream)), &side));
    });
}

Task<> send_all(std::shared_ptr<Stream> stream, std::string bytes, IoResult* result) {
    *result = co_await stream->write(bytes, soon(stream->loop()));
}

Task<> talk(RealNet* net, std::shared_ptr<const TlsClientContext> context, std::string name,
            base::Result<TlsInfo>* result, std::size_t size) {
    std::shared_ptr<Stream> stream = co_await dial(net);
    const auto greeting = co_await read_exactly(stream.get(), 3);
    CHECK(greeting == "220");
    auto info = co_await stream->start_tls(context, name, soon(stream->loop()));
    *result = std::move(info);
    if (!*result) co_return;
    CHECK(stream->tls() != nullptr);
    std::string sent(size, '\0');
    for (std::size_t i = 0; i < size; ++i) sent[i] = static_cast<char>(i * 13 + i / 257);
    IoResult written;
    spawn(stream->loop(), "send", send_all(stream, sent, &written));
    const auto back = co_await read_exactly(stream.get(), size);
    CHECK(back == sent);
    CHECK(written.ok());
    const std::vector<std::string_view> pieces{"a", "", "bc", "def"};
    co_await stream->write(pieces, soon(stream->loop()));
    const auto joined = co_await read_exactly(stream.get(), 6);
    CHECK(joined == "abcdef");
    CHECK_FALSE(stream->readable_now());
    co_await stream->shutdown(soon(stream->loop()));
}

Task<> say_nonsense(RealNet* net) {
    auto stream = co_await dial(net);
    co_await read_exactly(stream.get(), 3);
    co_await stream->write("EHLO not.a.client.hello\r\n", soon(stream->loop()));
    co_await read_exactly(stream.get(), 1000);
}

Task<> time_out(RealNet* net, std::shared_ptr<const TlsClientContext> context, base::Result<TlsInfo>* result) {
    auto stream = co_await dial(net);
    auto info = co_await stream->start_tls(context, "mx.example", net->loop().now() + 30ms);
    *result = std::move(info);
}

Task<> keep_silent(std::shared_ptr<Stream> stream) {
    co_await sleep_until(stream->loop(), stream->loop().now() + 20s);
}

Task<> see_close_notify(RealNet* net, std::shared_ptr<const TlsClientContext> context) {
    auto stream = co_await dial(net);
    co_await read_exactly(stream.get(), 3);
    auto info = co_await stream->start_tls(context, "x", soon(net->loop()));
    CHECK(info);
    char byte[1];
    const auto end = co_await stream->read_some(byte, soon(net->loop()));
    CHECK(end.status == IoStatus::eof);
}

Task<> shake_and_leave(std::shared_ptr<Stream> stream, ServerSide* side) {
    co_await stream->write(side->greeting, soon(stream->loop()));
    auto result = co_await stream->start_tls(side->context, soon(stream->loop()));
    CHECK(result);
    co_await stream->shutdown(soon(stream->loop()));
}

}  // namespace

TEST_CASE("an unverified client upgrades in place and much goes both ways") {
    const Certificates files;
    ServerSide side{files.server, {}, "220"};
    RealNet net;
    start(net, side);
    base::Result<TlsInfo> client;
    net.run(talk(&net, files.unverified, "mx.other.example", &client, 2'000'000));
    REQUIRE(client);
    CHECK(client->version == "TLSv1.3");
    CHECK(client->bits >= 128);
    CHECK_FALSE(client->peer_verified);
    CHECK(client->peer_subject == "/CN=mx.example");
    REQUIRE(side.result);
    CHECK(side.result->sni == "mx.other.example");
}

TEST_CASE("each session has something of its own to bind a login to, on the server's side") {
    const Certificates files;
    std::string first;
    for (int i = 0; i < 2; ++i) {
        ServerSide side{files.server, {}, "220"};
        RealNet net;
        start(net, side);
        base::Result<TlsInfo> client;
        net.run(talk(&net, files.unverified, "mx.other.example", &client, 10));
        REQUIRE(client);
        REQUIRE(side.result);
        CHECK(side.result->exporter.size() == 32);
        CHECK(client->exporter.empty());
        CHECK(side.result->exporter != first);
        first = side.result->exporter;
    }
}

TEST_CASE("a verifying client takes the right name only") {
    const Certificates files;
    ServerSide side{files.server, {}, "220"};
    RealNet net;
    start(net, side);
    base::Result<TlsInfo> client;
    net.run(talk(&net, files.verified, "mx.example", &client, 1000));
    REQUIRE(client);
    CHECK(client->peer_verified);
    CHECK(client->verify_error.empty());
    net.run(talk(&net, files.verified, "other.example", &client, 1000));
    REQUIRE_FALSE(client);
    CHECK(client.error().log_text.find("hostname mismatch") != std::string::npos);
    CHECK(client.error().kind == base::ErrorKind::temporary);
}

TEST_CASE("a verifying client refuses a chain it does not know") {
    const Certificates files;
    const Certificates strangers;
    ServerSide side{files.server, {}, "220"};
    RealNet net;
    start(net, side);
    base::Result<TlsInfo> client;
    net.run(talk(&net, strangers.verified, "mx.example", &client, 1000));
    REQUIRE_FALSE(client);
    CHECK(client.error().log_text.find("certificate verify failed") != std::string::npos);
}

TEST_CASE("plaintext where a ClientHello belongs fails the handshake with a reason") {
    const Certificates files;
    ServerSide side{files.server, {}, "220"};
    RealNet net(1);
    start(net, side);
    net.run(say_nonsense(&net));
    REQUIRE_FALSE(side.result);
    CHECK(side.result.error().log_text.find("handshake: ") != std::string::npos);
}

TEST_CASE("a handshake ends at its deadline") {
    const Certificates files;
    RealNet net;
    net.serve(keep_silent);
    base::Result<TlsInfo> client;
    net.run(time_out(&net, files.unverified, &client));
    REQUIRE_FALSE(client);
    CHECK(client.error().log_text.find("timed out") != std::string::npos);
}

TEST_CASE("an orderly end under TLS is an eof") {
    const Certificates files;
    ServerSide side{files.server, {}, "220"};
    RealNet net;
    net.listener->start(*net.loops, [&side](Loop& loop, std::unique_ptr<Stream> stream) {
        spawn(loop, "tls", shake_and_leave(std::shared_ptr<Stream>(std::move(stream)), &side));
    });
    net.run(see_close_notify(&net, files.unverified));
}

TEST_CASE("a self-signed certificate is made once, with a key for its owner only") {
    const Certificates files;
    CHECK_FALSE(ensure_self_signed("mx.example", files.certificate, files.key).value());
    struct stat status{};
    REQUIRE(::stat(files.key.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    // A start cut short after the key.
    std::filesystem::remove(files.certificate);
    CHECK(ensure_self_signed("mx.example", files.certificate, files.key).value());
    CHECK(make_tls_server({files.certificate, files.key}));
    std::filesystem::remove(files.key);
    CHECK_FALSE(ensure_self_signed("mx.example", files.certificate, files.key));
    CHECK(ensure_self_signed(std::string(200, 'a') + ".example", files.dir + "/long.pem", files.dir + "/long.key"));
}

TEST_CASE("a context that cannot be made names the file and the reason") {
    const Certificates files;
    const Certificates others;
    const auto missing = make_tls_server({files.dir + "/none.pem", files.key});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().log_text == files.dir + "/none.pem: No such file or directory");
    const auto mismatch = make_tls_server({files.certificate, others.key});
    REQUIRE_FALSE(mismatch);
    CHECK(mismatch.error().log_text.find("mismatch") != std::string::npos);
    std::ofstream(files.dir + "/locked.pem") << kLockedKey;
    const auto locked = make_tls_server({files.certificate, files.dir + "/locked.pem"});
    REQUIRE_FALSE(locked);
    CHECK(locked.error().log_text ==
          files.dir + "/locked.pem: the key is encrypted: one without a pass phrase is wanted");
    std::ofstream(files.dir + "/bad.pem") << "no certificate";
    CHECK_FALSE(make_tls_server({files.dir + "/bad.pem", files.key}));
    CHECK_FALSE(make_tls_client(TlsVerify::chain_and_name, files.dir + "/bad.pem"));
}
