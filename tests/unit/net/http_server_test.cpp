#include "net/http_server.hpp"

#include <doctest/doctest.h>

#include <atomic>

#include "base/log.hpp"
#include "tests/unit/net/real_net.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace posthorn::net::testing;

namespace {

class Echo final : public HttpHandler {
public:
    Task<HttpResponse> handle(Loop& loop, HttpRequest request) override {
        co_await yield(loop);
        if (request.path == "/throw") throw std::runtime_error("no good");
        HttpResponse response;
        if (request.path == "/busy") response.status = 503;
        const auto* host = request.field("HOST");
        response.body = request.method + " " + request.path + " [" + request.query + "] " + (host ? *host : "-") +
                        " " + request.body;
        co_return response;
    }
};

struct Serving {
    explicit Serving(HttpLimits limits = {}, std::size_t threads = 2)
        : net(threads), server(std::move(net.listener), handler, limits) {
        server.start(*net.loops);
    }
    ~Serving() { net.loops->stop(); }

    // Sends `text`, gives all that comes until the server ends the connection.
    std::string talk(std::string text) {
        std::string answer;
        net.run(talk_once(this, std::move(text), &answer));
        return answer;
    }
    static Task<> talk_once(Serving* self, std::string text, std::string* answer) {
        auto& loop = self->net.loop();
        auto stream = co_await self->net.connector->connect(loop, self->server.listener().local(), soon(loop));
        REQUIRE(stream);
        co_await (*stream)->write(text, soon(loop));
        *answer = co_await read_exactly(stream->get(), 1U << 20U);
    }
    // Two that say nothing, then one that asks.
    static Task<> talk_beside_silent_ones(Serving* self, std::string* answer, IoResult* first_end) {
        auto& loop = self->net.loop();
        std::vector<std::unique_ptr<Stream>> streams;
        for (std::size_t n = 1; n <= 2; ++n) {
            auto stream = co_await self->net.connector->connect(loop, self->server.listener().local(), soon(loop));
            REQUIRE(stream);
            streams.push_back(std::move(*stream));
            while (self->server.connections() < n) co_await yield(loop);
        }
        auto asking = co_await self->net.connector->connect(loop, self->server.listener().local(), soon(loop));
        REQUIRE(asking);
        co_await (*asking)->write("GET / HTTP/1.0\r\n\r\n", soon(loop));
        *answer = co_await read_exactly(asking->get(), 1U << 20U);
        std::string byte(1, '\0');
        *first_end = co_await streams.front()->read_some(byte, soon(loop));
    }

    RealNet net;
    Echo handler;
    HttpServer server;
};

std::string body_of(const std::string& answer) {
    const auto end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "no head" : answer.substr(end + 4);
}

}  // namespace

TEST_CASE("a request is answered") {
    Serving s;
    const auto answer = s.talk("GET /a/b?c=d HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\nDate: "));
    CHECK(answer.find("Content-Length: 20\r\n") != std::string::npos);
    CHECK(answer.find("Connection: close\r\n") != std::string::npos);
    CHECK(body_of(answer) == "GET /a/b [c=d] here ");
}

TEST_CASE("a connection is kept, and pipelined requests are answered in order") {
    Serving s;
    const auto answer = s.talk(
        "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
        "POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        "HEAD /3 HTTP/1.1\r\nHost: h\r\n\r\n"
        "GET /busy HTTP/1.0\r\n\r\n");
    const auto first = answer.find("POST /1 [] h body");
    const auto second = answer.find("POST /2 [] h abcde");
    CHECK(first != std::string::npos);
    CHECK(second > first);
    CHECK(answer.find("HEAD /3") == std::string::npos);
    CHECK(answer.find("503 Service Unavailable") > second);
    CHECK(answer.ends_with("GET /busy [] - "));
}

TEST_CASE("what is too large or malformed is refused with its status") {
    HttpLimits limits;
    limits.head = 1000;
    limits.body = 100;
    Serving s(limits);
    CHECK(s.talk("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'x') + "\r\n\r\n")
              .starts_with("HTTP/1.1 431"));
    CHECK(s.talk("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'x')).starts_with("HTTP/1.1 431"));
    CHECK(s.talk("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n").starts_with("HTTP/1.1 413"));
    CHECK(s.talk("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + std::string(101, 'x') +
                 "\r\n0\r\n\r\n")
              .starts_with("HTTP/1.1 413"));
    CHECK(s.talk("GARBAGE\r\n\r\n").starts_with("HTTP/1.1 400"));
    CHECK(s.talk("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400"));
    CHECK(s.talk("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").starts_with("HTTP/1.1 400"));
    CHECK(s.talk("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")
              .starts_with("HTTP/1.1 400"));
}

TEST_CASE("what a client writes beside its chunks is bounded too") {
    HttpLimits limits;
    limits.head = 1000;
    Serving s(limits);
    const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK(s.talk(head + "1;" + std::string(5000, 'x')).starts_with("HTTP/1.1 400"));
    CHECK(s.talk(head + "0\r\nX: " + std::string(5000, 'x')).starts_with("HTTP/1.1 400"));
}

TEST_CASE("a handler that throws is a 500, and the next request is served") {
    Serving s;
    const base::log::Capture capture;
    CHECK(s.talk("GET /throw HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 500"));
    CHECK(capture.contains("no good"));
    CHECK(s.talk("GET /fine HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST_CASE("a client that waits for 100 Continue gets it") {
    Serving s;
    const auto answer = s.talk("POST /1 HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab");
    CHECK(answer.find("200 OK") != std::string::npos);
}

TEST_CASE("a slow client is ended by the deadline of the request, a silent one by that of idleness") {
    HttpLimits limits;
    limits.request = 20ms;
    limits.idle = 10s;
    Serving slow(limits);
    CHECK(slow.talk("GET / HT").empty());
    limits.idle = 20ms;
    Serving silent(limits);
    CHECK(silent.talk("").empty());
}

TEST_CASE("connections beyond the limit are closed at once, and counted") {
    HttpLimits limits;
    limits.connections = 0;
    Serving s(limits);
    CHECK(s.talk("GET / HTTP/1.0\r\n\r\n").empty());
    CHECK(s.server.connections() == 0);
}

TEST_CASE("at the limit the longest silent connection makes room for one that asks") {
    HttpLimits limits;
    limits.connections = 2;
    Serving s(limits, 1);
    std::string answer;
    IoResult first_end;
    s.net.run(Serving::talk_beside_silent_ones(&s, &answer, &first_end));
    CHECK(answer.starts_with("HTTP/1.1 200"));
    CHECK(first_end.status == IoStatus::eof);
}
