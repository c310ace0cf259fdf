#include "health/service.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>

using namespace posthorn;
using namespace posthorn::health;

namespace {

// Parts whose state is the test's.
struct FakeParts final : Sources {
    bool smtp_accepting() const override { return smtp; }
    bool delivery_running() const override { return delivery; }
    net::DnsHealth dns() const override { return {.ok = resolver, .text = "no channel"}; }
    spool::QueueStats queue() const override {
        spool::QueueStats stats;
        stats.messages = messages;
        stats.writable = writable;
        stats.trouble = "no space left";
        return stats;
    }
    base::Result<void> probe_spool() override {
        if (writable) return {};
        return base::fail(base::ErrorKind::temporary, "no space left");
    }
    std::atomic<bool> smtp{true}, delivery{true}, resolver{true}, writable{true};
    std::atomic<std::uint64_t> messages{0};
};

struct World {
    World() {
        auto listener = net::bind_listener({.ip = {.bytes = {127, 0, 0, 1}}});
        REQUIRE(listener);
        at = (*listener)->local();
        service.emplace(*loops, *std::move(listener), parts, metrics, *pool, Config{.max_queue_size = 5});
        loops->start();
        service->start();
    }
    ~World() { loops->stop(); }

    // The whole answer to one request.
    std::string get(const std::string& target, const std::string& method = "GET") const {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(at.port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
        const auto request = method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        REQUIRE(::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == ssize_t(request.size()));
        std::string answer;
        std::array<char, 4096> buffer{};
        for (ssize_t got = 0; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;)
            answer.append(buffer.data(), static_cast<std::size_t>(got));
        ::close(fd);
        return answer;
    }

    FakeParts parts;
    base::Metrics metrics;
    std::unique_ptr<net::LoopGroup> loops = net::make_loops(1);
    std::unique_ptr<net::Pool> pool = net::make_pool("probe", 1, 4);
    net::Endpoint at;
    std::optional<Service> service;
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a server whose parts are well is alive and ready") {
    const World world;
    CHECK(has(world.get("/health/live"), "200 OK"));
    const auto ready = world.get("/health/ready");
    CHECK(ready.starts_with("HTTP/1.1 200"));
    CHECK(
        has(ready, R"("ready":true,"smtp_ready":true,"spool_ready":true,"delivery_ready":true,"dns_ready":true)"));
    CHECK(has(ready, R"("max_queue_size":5)"));
}

TEST_CASE("each part that is not well makes it not ready, alive all the same") {
    struct {
        std::atomic<bool> FakeParts::* part;
        std::string_view field, reason;
    } const cases[] = {{&FakeParts::smtp, R"("smtp_ready":false)", "SMTP is not accepting"},
                       {&FakeParts::delivery, R"("delivery_ready":false)", "delivery is not running"},
                       {&FakeParts::resolver, R"("dns_ready":false)", "dns: no channel"},
                       {&FakeParts::writable, R"("spool_ready":false)", "spool: no space left"}};
    for (const auto& one : cases) {
        World world;
        world.parts.*one.part = false;
        const auto answer = world.get("/health/ready");
        CHECK(answer.starts_with("HTTP/1.1 503"));
        CHECK(has(answer, one.field));
        CHECK(has(answer, one.reason));
        CHECK(has(answer, R"("ready":false)"));
        CHECK(has(world.get("/health/live"), "200 OK"));
    }
}

TEST_CASE("a queue at its limit is not ready; the limit can be changed") {
    World world;
    world.parts.messages = 5;
    CHECK(has(world.get("/health/ready"), "5 messages are queued, the limit is 5"));
    world.service->set_max_queue_size(6);
    CHECK(world.get("/health/ready").starts_with("HTTP/1.1 200"));
}

TEST_CASE("metrics are there, other paths and methods are not") {
    World world;
    world.metrics.counter("posthorn_test_total", "A test").add(3);
    CHECK(has(world.get("/metrics"), "posthorn_test_total 3\n"));
    CHECK(world.get("/else").starts_with("HTTP/1.1 404"));
    CHECK(world.get("/health/live", "POST").starts_with("HTTP/1.1 405"));
    const auto head = world.get("/health/ready", "HEAD");
    CHECK(head.starts_with("HTTP/1.1 200"));
    CHECK_FALSE(has(head, "smtp_ready"));
}
