// A small HTTP/1.1 client (RFC 9112) for what the server itself has to tell somebody: one request a connection, bounded
// answers, no redirects, no proxies.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/dns.hpp"
#include "net/http_server.hpp"
#include "net/stream.hpp"
#include "net/tls.hpp"

namespace posthorn::net {

struct HttpUrl {
    bool tls = false;
    std::string host;  // lower case; an IPv6 address without brackets
    std::uint16_t port = 0;
    std::string path;  // from the first "/" on, never empty
    bool operator==(const HttpUrl&) const = default;

    // "http://host[:port][/path]" or "https://…". Nothing with a user, a fragment, or what could break a request.
    static std::optional<HttpUrl> parse(std::string_view text);
    std::string authority() const;  // for the Host field
};

struct HttpPost {
    HttpUrl url;
    std::string content_type;
    HttpFields fields;  // beside Host, Content-Type, Content-Length and Connection
    std::string body;
    std::string method = "POST";  // or "GET": then without body and Content-Type
};

class HttpClient {
public:
    // All outlive it. `tls` is for https.
    HttpClient(Connector& connector, Resolver& resolver, std::shared_ptr<const TlsClientContext> tls)
        : connector_(connector), resolver_(resolver), tls_(std::move(tls)) {}

    // The answer, whatever its status, all of it within `deadline`. A temporary error when there was none.
    Task<base::Result<HttpResponse>> post(Loop& loop, HttpPost request, base::SteadyTime deadline) const;

private:
    Task<base::Result<std::unique_ptr<Stream>>> reach(Loop& loop, HttpUrl url, base::SteadyTime deadline) const;

    Connector& connector_;
    Resolver& resolver_;
    std::shared_ptr<const TlsClientContext> tls_;
};

}  // namespace posthorn::net
