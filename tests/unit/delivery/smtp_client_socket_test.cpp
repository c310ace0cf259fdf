// The outbound connection over real sockets and TLS, against a small server that keeps what it gets.
#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "delivery/smtp_client.hpp"
#include "net/tls.hpp"
#include "tests/unit/net/real_net.hpp"

using namespace posthorn;
using namespace posthorn::delivery;
using net::testing::RealNet;
using net::testing::soon;
using namespace std::chrono_literals;

namespace {

class DiskBody final : public spool::Body {
public:
    explicit DiskBody(std::string text) : text_(std::move(text)) {}
    std::uint64_t size() const override { return text_.size(); }
    std::optional<std::string_view> memory() const override { return std::nullopt; }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
        return text_.copy(into.data(), into.size(), offset);
    }

private:
    std::string text_;
};

// What the server offers and does, and what it got: written on its loop, read when the connection is closed.
struct Server {
    std::string offers = "PIPELINING";
    std::shared_ptr<const net::TlsServerContext> tls;
    std::size_t reset_after = SIZE_MAX;  // octets of message
    std::string last_words;              // said before that reset
    std::vector<std::string> messages;   // as they came: dots still doubled, chunks put together
    int chunks = 0;
};

class Session {
public:
    Session(std::shared_ptr<net::Stream> stream, Server* server) : stream_(std::move(stream)), server_(server) {}

    net::Task<bool> say(std::string text) {
        const net::IoResult put = co_await stream_->write(std::string_view(text), soon(stream_->loop()));
        co_return put.ok();
    }

    // The next octets up to and with `end`, or `size` of them; nothing at the end of the connection.
    net::Task<std::string> take(std::string end, std::size_t size) {
        std::vector<char> bytes(16 << 10);
        while (true) {
            const auto at = end.empty() ? (buffer_.size() >= size ? size : std::string::npos) : buffer_.find(end);
            if (at != std::string::npos) {
                auto text = buffer_.substr(0, at + end.size());
                buffer_.erase(0, at + end.size());
                co_return text;
            }
            const net::IoResult got = co_await stream_->read_some(std::span<char>(bytes), soon(stream_->loop()));
            if (!got.ok()) co_return std::string();
            buffer_.append(bytes.data(), got.size);
            if (content_ && buffer_.size() >= server_->reset_after) co_return std::string();
        }
    }

    net::Task<bool> answer(std::string line) {
        if (line.starts_with("EHLO")) {
            std::string reply = "250-mx.example\r\n";
            for (std::string_view rest = server_->offers; !rest.empty();) {
                const auto end = std::min(rest.find(' '), rest.size());
                ((reply += "250-") += rest.substr(0, end)) += "\r\n";
                rest.remove_prefix(std::min(end + 1, rest.size()));
            }
            co_return co_await say(reply + "250 HELP\r\n");
        }
        if (line.starts_with("STARTTLS")) {
            const bool said = co_await say("220 go\r\n");
            auto secured = co_await stream_->start_tls(server_->tls, soon(stream_->loop()));
            co_return said&& secured.has_value();
        }
        if (line.starts_with("DATA")) {
            co_await say("354 go\r\n");
            content_ = true;
            auto message = co_await take("\r\n.\r\n", 0);
            content_ = false;
            if (message.empty()) {
                if (!server_->last_words.empty()) co_await say(server_->last_words);
                stream_->close();
                co_return false;
            }
            server_->messages.push_back(std::move(message));
            co_return co_await say("250 2.0.0 kept\r\n");
        }
        if (line.starts_with("BDAT")) {
            std::size_t size = 0;
            std::from_chars(line.data() + 5, line.data() + line.size(), size);
            auto chunk = co_await take("", size);
            if (chunk.size() != size) co_return false;
            if (server_->chunks++ == 0) server_->messages.emplace_back();
            server_->messages.back() += chunk;
            co_return co_await say("250 2.0.0 kept\r\n");
        }
        const bool quit = line.starts_with("QUIT");
        const bool said = co_await say(quit ? "221 bye\r\n" : "250 2.1.0 ok\r\n");
        co_return said && !quit;
    }

private:
    std::shared_ptr<net::Stream> stream_;
    Server* server_;
    std::string buffer_;
    bool content_ = false;
};

net::Task<> serve(std::shared_ptr<net::Stream> stream, Server* server) {
    Session session(stream, server);
    bool on = co_await session.say("220 mx.example\r\n");
    while (on) {
        auto line = co_await session.take("\r\n", 0);
        if (line.empty()) break;
        on = co_await session.answer(std::move(line));
    }
    co_await stream->shutdown(soon(stream->loop()));
}

struct Events final : mail::EventSink {
    void record(const mail::Event& event) override { events.push_back(event); }
    std::vector<mail::Event> events;
};

struct World {
    World() {
        char name[] = "/tmp/client-test-XXXXXX";
        dir = mkdtemp(name);
        const auto certificate = dir + "/cert.pem";
        const auto key = dir + "/key.pem";
        REQUIRE(net::ensure_self_signed("mx.example", certificate, key).value());
        server.tls = net::make_tls_server({certificate, key}).value();
        context.connector = real.connector.get();
        context.disk = disk.get();
        context.events = &events;
        context.tls_any = net::make_tls_client(net::TlsVerify::none).value();
        context.tls_checked = net::make_tls_client(net::TlsVerify::chain_and_name, certificate).value();
        context.hostname = "us.example";
        target.endpoint = real.listener->local();
        target.host = "mx.example";
        target.tls = smtp::TlsPolicy::none;
        envelope.reverse_path = {"from", "us.example"};
        envelope.recipients = {{{"a", "them.example"}, 0, ""}};
        envelope.trace_headers = "Received: by us\r\n";
        real.listener->start(*real.loops, [this](net::Loop& on, std::unique_ptr<net::Stream> stream) {
            net::spawn(on, "server", serve(std::shared_ptr<net::Stream>(std::move(stream)), &server));
        });
    }
    ~World() {
        real.loops->stop();
        std::filesystem::remove_all(dir);
    }

    // One connection, one message, QUIT.
    struct Result {
        bool opened = false;
        mail::Outcome outcome;
        smtp::FailureScope scope = smtp::FailureScope::session;
        std::string tls;
    };
    Result deliver(std::string text) {
        Result result;
        real.run(run(this, std::make_shared<DiskBody>(std::move(text)), &result));
        return result;
    }
    static net::Task<> run(World* world, std::shared_ptr<const spool::Body> body, Result* result) {
        auto context = world->context;
        auto target = world->target;
        OpenResult opened = co_await Connection::open(world->real.loop(), std::move(context), std::move(target));
        result->opened = opened.connection != nullptr;
        result->outcome = opened.failure;
        if (!opened.connection) co_return;
        SendRequest request;
        request.envelope = std::make_shared<mail::Envelope>(world->envelope);
        request.recipients.push_back(0);
        request.body = std::move(body);
        const TransactionResult sent = co_await opened.connection->send(std::move(request));
        result->outcome = sent.recipients[0].outcome;
        result->scope = sent.recipients[0].scope;
        result->tls = opened.connection->tls();
        co_await opened.connection->close();
    }

    std::string dir;
    Server server;
    RealNet real{1};
    std::unique_ptr<net::Pool> disk = net::make_pool("disk", 1, 100);
    Events events;
    SmtpClientContext context;
    SmtpTarget target;
    mail::Envelope envelope;
};

std::string large() {
    std::string text = "A: b\r\n\r\n";
    while (text.size() < 3'000'000) text += "a line like any other, neither long nor short\r\n";
    return text;
}

constexpr auto kDelivered = mail::Outcome::Kind::delivered;

}  // namespace

TEST_CASE("over sockets: DATA, large, from the disk") {
    World w;
    const auto result = w.deliver(large() + ".dot\r\nno end");
    CHECK(result.outcome.kind == kDelivered);
    REQUIRE(w.server.messages.size() == 1);
    CHECK(w.server.messages[0] == "Received: by us\r\n" + large() + "..dot\r\nno end\r\n.\r\n");
}

TEST_CASE("over sockets: BDAT in chunks, over TLS") {
    World w;
    w.server.offers = "PIPELINING CHUNKING STARTTLS";
    w.target.tls = smtp::TlsPolicy::require;
    const auto result = w.deliver(large() + ".dot\r\nno end");
    CHECK(result.outcome.kind == kDelivered);
    CHECK(result.outcome.tls == result.tls);
    CHECK(result.tls.starts_with("TLSv1."));
    CHECK(w.server.chunks == 3);
    REQUIRE(w.server.messages.size() == 1);
    CHECK(w.server.messages[0] == "Received: by us\r\n" + large() + ".dot\r\nno end");
}

TEST_CASE("over sockets: certificates are checked under `verify` alone") {
    World w;
    w.server.offers = "STARTTLS";
    w.target.tls = smtp::TlsPolicy::verify;
    CHECK(w.deliver("A: b\r\n\r\n").outcome.kind == kDelivered);
    w.target.host = "other.example";
    const auto refused = w.deliver("A: b\r\n\r\n");
    CHECK_FALSE(refused.opened);
    CHECK(refused.outcome.status == "4.7.5");
    CHECK(w.server.messages.size() == 1);
    CHECK(w.events.events.empty());
    w.target.accept_invalid_certs = true;
    CHECK(w.deliver("A: b\r\n\r\n").outcome.kind == kDelivered);
    CHECK(w.events.events.size() == 1);
    w.target.accept_invalid_certs = false;
    w.target.tls = smtp::TlsPolicy::require;
    CHECK(w.deliver("A: b\r\n\r\n").outcome.kind == kDelivered);
}

TEST_CASE(
    "over sockets: a server that says why and resets the connection in the middle is heard, or at least survived") {
    for (const char* words : {"552 5.3.4 too much\r\n", ""}) {
        World w;
        w.server.reset_after = 100'000;
        w.server.last_words = words;
        const auto result = w.deliver(large());
        CHECK(result.outcome.kind != kDelivered);
        // The reset may overtake the words: then it is a lost connection.
        CHECK((result.outcome.status == "5.3.4" || result.outcome.status == "4.4.2"));
        CHECK(w.server.messages.empty());
    }
}

TEST_CASE("over sockets: nobody there") {
    World w;
    w.real.listener.reset();
    const auto result = w.deliver("A: b\r\n\r\n");
    CHECK_FALSE(result.opened);
    CHECK(result.outcome.status == "4.4.1");
    CHECK(result.outcome.remote_ip == "127.0.0.1");
}
