#include "net/http_client.hpp"

#include <doctest/doctest.h>

#include "tests/support/fake_resolver.hpp"
#include "tests/unit/net/real_net.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace posthorn::net::testing;

namespace {

class Collector final : public HttpHandler {
public:
    Task<HttpResponse> handle(Loop&, HttpRequest request) override {
        HttpResponse response;
        response.status = request.path == "/busy" ? 503 : 200;
        const auto* type = request.field("content-type");
        const auto* key = request.field("authorization");
        response.body = request.method + " " + (type ? *type : "-") + " " + (key ? *key : "-") + " " + request.body;
        co_return response;
    }
};

struct Talk {
    base::Result<HttpResponse> answer = base::fail(base::ErrorKind::internal, "not asked");

    static Task<> ask(Talk* self, RealNet* net, Resolver* resolver, HttpPost request, base::Duration limit) {
        const HttpClient client(*net->connector, *resolver, nullptr);
        const auto deadline = net->loop().now() + limit;
        self->answer = co_await client.post(net->loop(), std::move(request), deadline);
    }
    void post(RealNet& net, Resolver& resolver, HttpPost request, base::Duration limit = 20s) {
        net.run(ask(this, &net, &resolver, std::move(request), limit));
    }
};

HttpPost to(const RealNet& net, const std::string& path, std::string body = "{}") {
    const auto url = HttpUrl::parse("http://collector.test:" + std::to_string(net.listener->local().port) + path);
    return {*url, "application/json", {{"Authorization", "Bearer x"}}, std::move(body)};
}

struct World {
    World() { resolver.add_address("collector.test", "127.0.0.1"); }
    RealNet net;
    posthorn::testing::FakeResolver resolver;
    Talk talk;
};

// Reads a little and answers `Answer`, then closes.
template <const char* Answer>
Task<> say(std::shared_ptr<Stream> stream) {
    const auto head = co_await read_exactly(stream.get(), 10);
    REQUIRE(head.size() == 10);
    co_await stream->write(std::string_view(Answer), soon(stream->loop()));
    co_await stream->shutdown(soon(stream->loop()));
}

}  // namespace

TEST_CASE("addresses of collectors are understood, others refused") {
    CHECK(*HttpUrl::parse("http://localhost:4318") == HttpUrl{false, "localhost", 4318, "/"});
    CHECK(*HttpUrl::parse("HTTPS://Otel.Example/base/") == HttpUrl{true, "otel.example", 443, "/base/"});
    CHECK(*HttpUrl::parse("http://[::1]:9/x?y") == HttpUrl{false, "::1", 9, "/x?y"});
    CHECK(HttpUrl::parse("http://[::1]:9/x")->authority() == "[::1]:9");
    for (const auto* bad :
         {"", "localhost:4318", "ftp://x", "http://", "http://x:0", "http://x:70000", "http://x:y", "http://u@x",
          "http://x/a b", "http://x/\r\nA: b", "http://x#y", "http://[::1", "http://[x]"})
        CHECK_FALSE(HttpUrl::parse(bad));
}

TEST_CASE("a post is answered, whatever the status") {
    World w;
    Collector handler;
    HttpServer server(std::move(w.net.listener), handler);
    server.start(*w.net.loops);
    const auto port = server.listener().local().port;
    const auto url = *HttpUrl::parse("http://collector.test:" + std::to_string(port) + "/v1");
    w.talk.post(w.net, w.resolver, {url, "application/json", {{"Authorization", "Bearer x"}}, "body"});
    REQUIRE(w.talk.answer);
    CHECK(w.talk.answer->status == 200);
    CHECK(w.talk.answer->body == "POST application/json Bearer x body");
    const auto busy = *HttpUrl::parse("http://collector.test:" + std::to_string(port) + "/busy");
    w.talk.post(w.net, w.resolver, {busy, "text/plain", {}, std::string(300'000, 'x')});
    REQUIRE(w.talk.answer);
    CHECK(w.talk.answer->status == 503);
    w.net.loops->stop();
}

TEST_CASE("who is not there, and who has no address, is a temporary error") {
    World w;
    auto request = to(w.net, "/");
    w.net.listener.reset();
    w.talk.post(w.net, w.resolver, request);
    REQUIRE_FALSE(w.talk.answer);
    CHECK(w.talk.answer.error().kind == base::ErrorKind::temporary);
    request.url.host = "nowhere.test";
    w.talk.post(w.net, w.resolver, request);
    REQUIRE_FALSE(w.talk.answer);
    CHECK(w.talk.answer.error().log_text.find("no address") != std::string::npos);
}

constexpr char kNonsense[] = "220 mail.example ESMTP\r\n";
constexpr char kNoLength[] = "HTTP/1.1 200 OK\r\n\r\nto the end";
constexpr char kCutOff[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort";

TEST_CASE("an answer that is no HTTP, or is cut off, is an error; one without a length ends with the connection") {
    World w;
    w.net.serve(say<kNonsense>);
    w.talk.post(w.net, w.resolver, to(w.net, "/"));
    CHECK_FALSE(w.talk.answer);
    World cut;
    cut.net.serve(say<kCutOff>);
    cut.talk.post(cut.net, cut.resolver, to(cut.net, "/"));
    CHECK_FALSE(cut.talk.answer);
    World whole;
    whole.net.serve(say<kNoLength>);
    whole.talk.post(whole.net, whole.resolver, to(whole.net, "/"));
    REQUIRE(whole.talk.answer);
    CHECK(whole.talk.answer->body == "to the end");
}

TEST_CASE("who says nothing is given up") {
    World w;
    w.net.serve([](std::shared_ptr<Stream> stream) -> Task<> {
        co_await read_exactly(stream.get(), 1U << 20U);  // until the client closes
    });
    w.talk.post(w.net, w.resolver, to(w.net, "/"), 200ms);
    REQUIRE_FALSE(w.talk.answer);
    CHECK(w.talk.answer.error().log_text.find("no answer in time") != std::string::npos);
}
