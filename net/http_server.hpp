// A small HTTP/1.1 server (RFC 9112) for probes, metrics and, later, JMAP: keep-alive, bounded requests, slow
// clients ended. One handler gets every request, on the loop its connection lives on.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/stream.hpp"

namespace posthorn::net {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
    std::string method;  // as sent: "GET"
    std::string path;    // "/health/ready", undecoded
    std::string query;   // what follows '?', undecoded
    HttpFields fields;   // in the order sent
    std::string body;
    Endpoint peer;

    // Of the first field of this name, whatever its case; null: there is none.
    const std::string* field(std::string_view name) const;
};

struct HttpResponse {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
    HttpFields fields;  // beside Date, Content-Type, Content-Length and Connection
};

class HttpHandler {
public:
    virtual ~HttpHandler() = default;
    // An exception that escapes is logged and answered with 500. For HEAD answer as for GET: the body is dropped.
    virtual Task<HttpResponse> handle(Loop& loop, HttpRequest request) = 0;
};

struct HttpLimits {
    std::size_t head = 16U << 10U;                       // bytes of request line and fields
    std::size_t body = 1U << 20U;                        // bytes
    std::size_t connections = 1000;                      // beyond it the longest silent one goes, or the new one
    base::Duration idle = std::chrono::seconds(60);      // until the first byte of a request
    base::Duration request = std::chrono::seconds(10);   // from then on until it is whole
    base::Duration response = std::chrono::seconds(30);  // until the client has taken it
};

class HttpServer {
public:
    // The handler must outlive the loops' run.
    HttpServer(std::unique_ptr<Listener> listener, HttpHandler& handler, HttpLimits limits = {});
    ~HttpServer();
    void start(LoopGroup& loops);
    // No further connections; those there are end after the answer to the request in hand.
    void stop();
    const Listener& listener() const { return *listener_; }
    std::size_t connections() const;  // any thread

    struct Shared;  // with the connections, which may outlive the server

private:
    std::unique_ptr<Listener> listener_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace posthorn::net
