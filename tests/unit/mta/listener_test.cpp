// The receiver on real sockets and threads: what the virtual clock cannot show.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;
using namespace std::chrono_literals;

namespace {

class RawClient {
public:
    explicit RawClient(const net::Endpoint& to) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(to.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval limit{.tv_sec = 20, .tv_usec = 0};
        setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        connected = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~RawClient() { ::close(fd_); }
    RawClient(const RawClient&) = delete;

    void send(std::string_view text) {
        CHECK(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    // The next reply's last line; empty when the server has closed.
    std::string reply() {
        while (true) {
            const auto lf = pending_.find('\n');
            if (lf != std::string::npos) {
                auto line = pending_.substr(0, lf + 1);
                pending_.erase(0, lf + 1);
                if (line.size() > 3 && line[3] == ' ') return line;
                continue;
            }
            char buffer[1024];
            const auto count = ::read(fd_, buffer, sizeof buffer);
            if (count <= 0) return {};
            pending_.append(buffer, static_cast<std::size_t>(count));
        }
    }
    bool connected = false;

private:
    int fd_;
    std::string pending_;
};

class SilentSink final : public mail::EventSink {
    void record(const mail::Event&) override {}
};

mta::ListenerConfig loopback() { return {{.address = {*net::IpAddress::parse("127.0.0.1"), 0, {}}}}; }

}  // namespace

TEST_CASE("listeners, reload, and the end, on sockets") {
    const auto loops = net::make_loops(2);
    ScriptedQueue queue;
    SilentSink events;
    base::Metrics metrics;
    mta::Receiver receiver(*loops, events, metrics);
    mta::Config config;
    config.hostname = "mx.example.org";
    config.listeners = {loopback()};
    REQUIRE(receiver.bind(config));
    loops->start();
    receiver.start(queue);
    const auto first = receiver.endpoints().at(0);
    CHECK(first.port != 0);
    CHECK(receiver.accepting());

    RawClient client(first);
    CHECK(client.reply() == "220 mx.example.org ESMTP Posthorn\r\n");
    client.send("EHLO c\r\n" + kEnvelope + "DATA\r\n");
    for (const char* code : {"250", "250", "250", "354"}) CHECK(client.reply().starts_with(code));

    SUBCASE("a new configuration is for new sessions, on the same socket") {
        config.hostname = "new.example.org";
        config.listeners.push_back(loopback());
        config.listeners.back().smtp.max_message_size = 1000;
        REQUIRE(receiver.reload(config));
        const auto ends = receiver.endpoints();
        REQUIRE(ends.size() == 2);
        CHECK(ends[0] == first);
        RawClient again(ends[0]);
        CHECK(again.reply() == "220 new.example.org ESMTP Posthorn\r\n");
        RawClient other(ends[1]);
        other.reply();
        other.send("EHLO c\r\nMAIL FROM:<> SIZE=1001\r\n");
        other.reply();
        CHECK(other.reply().starts_with("552 "));

        auto refused = config;
        refused.hostname = "never.example.org";
        refused.listeners.push_back(loopback());
        refused.listeners.back().tls = net::ListenerTls::implicit;  // and no certificate
        CHECK_FALSE(receiver.reload(refused));
        RawClient unchanged(ends[0]);
        CHECK(unchanged.reply() == "220 new.example.org ESMTP Posthorn\r\n");

        config.listeners.pop_back();
        REQUIRE(receiver.reload(config));
        CHECK(receiver.endpoints().size() == 1);
    }
    client.send(kMessage + ".\r\n");
    CHECK(client.reply().starts_with("250 2.0.0 Queued as "));

    receiver.shut_down();
    CHECK(client.reply().starts_with("421 4.3.2"));
    CHECK(client.reply().empty());
    receiver.close_sessions();
    CHECK(receiver.wait_drained(20s));
    CHECK_FALSE(RawClient(first).connected);
    loops->stop();
    CHECK(queue.taken.size() == 1);
}

TEST_CASE("a listener that cannot be bound is named") {
    const auto loops = net::make_loops(1);
    SilentSink events;
    base::Metrics metrics;
    mta::Receiver one(*loops, events, metrics);
    mta::Receiver two(*loops, events, metrics);
    mta::Config config;
    config.listeners = {loopback()};
    REQUIRE(one.bind(config));
    config.listeners.front().address = one.endpoints().front();
    const auto bound = two.bind(config);
    REQUIRE_FALSE(bound);
    CHECK(bound.error().log_text.find(one.endpoints().front().to_string()) != std::string::npos);
    CHECK_FALSE(two.accepting());
}
