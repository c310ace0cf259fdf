#include "net/http_server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>
#include <list>

#include "base/ascii.hpp"
#include "base/log.hpp"

namespace posthorn::net {

namespace http = boost::beast::http;

struct HttpServer::Shared {
    Shared(HttpHandler& by, HttpLimits bounds) : handler(by), limits(bounds) {}
    HttpHandler& handler;
    HttpLimits limits;
    std::atomic<std::size_t> connections{0};
    std::atomic<bool> stopping{false};
    // By loop, each its own thread's: connections whose request is not whole, the one that waits longest first.
    std::vector<std::list<Stream*>> waiting;
};

namespace {

using Parser = http::request_parser<http::string_body>;
using SharedPtr = std::shared_ptr<HttpServer::Shared>;

constexpr std::size_t kReadSize = 4096;

struct Counted {
    explicit Counted(SharedPtr shared) : shared_(std::move(shared)) {}
    ~Counted() { --shared_->connections; }
    SharedPtr shared_;
};

class Waiting {
public:
    Waiting(HttpServer::Shared& shared, Stream& stream)
        : all_(shared.waiting.at(stream.loop().index())), place_(all_.insert(all_.end(), &stream)) {}
    ~Waiting() { all_.erase(place_); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

private:
    std::list<Stream*>& all_;
    std::list<Stream*>::iterator place_;
};

// Connections that only lie there must not keep off a probe. False: all are at work.
bool make_room(HttpServer::Shared& shared, Loop& loop) {
    auto& waiting = shared.waiting.at(loop.index());
    if (waiting.empty()) return false;
    waiting.front()->close();
    // It ends when its coroutine has its turn: until then others go first.
    waiting.splice(waiting.end(), waiting, waiting.begin());
    return true;
}

// RFC 9110 §5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(base::WallTime now) {
    static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t seconds = base::to_ms(now) / 1000;
    std::tm tm{};
    gmtime_r(&seconds, &tm);
    char text[40];
    const int size = std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                   kDays[static_cast<std::size_t>(tm.tm_wday)], tm.tm_mday,
                                   kMonths[static_cast<std::size_t>(tm.tm_mon)], tm.tm_year + 1900, tm.tm_hour,
                                   tm.tm_min, tm.tm_sec);
    return {text, static_cast<std::size_t>(size)};
}

// What goes before the body.
std::string head_of(const HttpResponse& response, bool keep, base::WallTime now) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason) + "\r\n";
    head += "Date: " + http_date(now) + "\r\n";
    if (!response.content_type.empty()) head += "Content-Type: " + response.content_type + "\r\n";
    head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    for (const auto& [name, value] : response.fields) head += name + ": " + value + "\r\n";
    head += keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    return head;
}

HttpResponse refusal(int status) {
    HttpResponse response;
    response.status = status;
    response.body = std::string(http::obsolete_reason(static_cast<http::status>(status))) + "\n";
    return response;
}

HttpRequest request_of(Parser& parser, const Endpoint& peer) {
    auto& message = parser.get();
    HttpRequest request;
    request.method = message.method_string();
    const std::string_view target(message.target().data(), message.target().size());
    const auto mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
    for (const auto& field : message) request.fields.emplace_back(field.name_string(), field.value());
    request.body = std::move(message.body());
    request.peer = peer;
    return request;
}

int status_of(const boost::system::error_code& error) {
    if (error == http::error::header_limit) return 431;
    if (error == http::error::body_limit) return 413;
    if (error == http::error::bad_version) return 505;
    return 400;
}

// Of one connection: the bytes that came and are not parsed yet.
struct Input {
    std::string pending;
    bool started = false;  // a byte of the request in hand has come
};

// Feeds what is pending. An error is one of the request; need_more is none.
boost::system::error_code feed(Parser& parser, Input& input) {
    boost::system::error_code error;
    while (!parser.is_done() && !input.pending.empty()) {
        const auto used = parser.put(boost::asio::buffer(input.pending), error);
        input.pending.erase(0, used);
        if (error == http::error::need_more) return {};
        if (error || used == 0) return error;
    }
    return {};
}

bool wants_continue(Parser& parser) {
    if (!parser.is_header_done() || parser.is_done()) return false;
    const auto expect = parser.get()[http::field::expect];
    return base::iequals({expect.data(), expect.size()}, "100-continue");
}

enum class Got : std::uint8_t { request, refused, gone };
struct Outcome {
    Got got = Got::gone;
    int status = 0;  // when refused
};

Task<Outcome> read_request(SharedPtr shared, Stream& stream, Parser& parser, Input& input) {
    const auto& limits = shared->limits;
    const Waiting waiting(*shared, stream);
    input.started = !input.pending.empty();
    auto deadline = stream.loop().now() + (input.started ? limits.request : limits.idle);
    bool continued = false;
    std::string chunk(kReadSize, '\0');
    while (true) {
        if (const auto error = feed(parser, input)) co_return Outcome{Got::refused, status_of(error)};
        if (parser.is_done()) co_return Outcome{Got::request};
        // The parser counts a head only when it is whole, and what stands around chunks (extensions, trailers) never.
        if (input.pending.size() > limits.head)
            co_return Outcome{Got::refused, parser.is_header_done() ? 400 : 431};
        if (!continued && wants_continue(parser)) {
            continued = true;
            const auto put = co_await stream.write("HTTP/1.1 100 Continue\r\n\r\n", deadline);
            if (!put.ok()) co_return Outcome{};
        }
        const auto got = co_await stream.read_some(chunk, deadline);
        if (!got.ok()) co_return Outcome{};
        if (!input.started) {
            input.started = true;
            deadline = stream.loop().now() + limits.request;
        }
        input.pending.append(chunk, 0, got.size);
    }
}

Task<HttpResponse> call_handler(SharedPtr shared, Loop& loop, HttpRequest request) {
    std::string failure;
    const auto path = request.path;
    try {
        auto response = co_await shared->handler.handle(loop, std::move(request));
        co_return response;
    } catch (const std::exception& e) {
        failure = e.what();
    }
    base::log::error("http.handler_failed", {{"path", path}, {"msg", failure}});
    co_return refusal(500);
}

// True: the connection goes on.
Task<bool> answer(SharedPtr shared, Stream& stream, HttpResponse response, bool keep, bool with_body) {
    auto& loop = stream.loop();
    const auto head = head_of(response, keep, loop.clock().wall());
    std::vector<std::string_view> pieces{head};
    if (with_body) pieces.push_back(response.body);
    const auto put = co_await stream.write(std::move(pieces), loop.now() + shared->limits.response);
    co_return keep&& put.ok();
}

Task<bool> serve_one(SharedPtr shared, Stream& stream, Input& input) {
    Parser parser;
    parser.eager(true);
    parser.header_limit(static_cast<std::uint32_t>(shared->limits.head));
    parser.body_limit(shared->limits.body);
    const auto outcome = co_await read_request(shared, stream, parser, input);
    if (outcome.got == Got::gone) co_return false;
    if (outcome.got == Got::refused) {
        auto refused = refusal(outcome.status);
        const bool on = co_await answer(shared, stream, std::move(refused), false, true);
        co_return on;
    }
    // RFC 9112 §3.2: a request of HTTP/1.1 names its host.
    if (parser.get().version() >= 11 && parser.get().count(http::field::host) != 1) {
        const bool on = co_await answer(shared, stream, refusal(400), false, true);
        co_return on;
    }
    const bool with_body = parser.get().method() != http::verb::head;
    const bool wanted = parser.get().keep_alive();
    auto response = co_await call_handler(shared, stream.loop(), request_of(parser, stream.peer()));
    const bool keep = wanted && !shared->stopping;
    const bool on = co_await answer(shared, stream, std::move(response), keep, with_body);
    co_return on;
}

Task<> serve(SharedPtr shared, std::unique_ptr<Stream> stream) {
    const Counted counted(shared);
    Input input;
    bool on = true;
    while (on) on = co_await serve_one(shared, *stream, input);
    co_await stream->shutdown(stream->loop().now() + std::chrono::seconds(1));
}

}  // namespace

const std::string* HttpRequest::field(std::string_view name) const {
    const auto found = std::ranges::find_if(fields, [name](const auto& f) { return base::iequals(f.first, name); });
    return found == fields.end() ? nullptr : &found->second;
}

HttpServer::HttpServer(std::unique_ptr<Listener> listener, HttpHandler& handler, HttpLimits limits)
    : listener_(std::move(listener)), shared_(std::make_shared<Shared>(handler, limits)) {}

HttpServer::~HttpServer() { stop(); }

void HttpServer::start(LoopGroup& loops) {
    shared_->waiting.resize(loops.size());
    listener_->start(loops, [shared = shared_](Loop& loop, std::unique_ptr<Stream> stream) {
        if (++shared->connections > shared->limits.connections && !make_room(*shared, loop)) {
            --shared->connections;
            return;
        }
        spawn(loop, "http", serve(shared, std::move(stream)));
    });
}

void HttpServer::stop() {
    shared_->stopping = true;
    listener_->stop();
}

std::size_t HttpServer::connections() const { return shared_->connections; }

}  // namespace posthorn::net
