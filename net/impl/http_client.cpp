#include "net/http_client.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>

#include "base/ascii.hpp"

namespace posthorn::net {

namespace http = boost::beast::http;

namespace {

using Parser = http::response_parser<http::string_body>;

constexpr std::uint32_t kMaxHead = 16U << 10U;
constexpr std::uint64_t kMaxBody = 1U << 20U;
constexpr std::size_t kReadSize = 4096;

std::unexpected<base::Error> trouble(const HttpUrl& url, const std::string& what) {
    return base::fail(base::ErrorKind::temporary, url.authority() + ": " + what);
}

std::string head_of(const HttpPost& request) {
    std::string head =
        request.method + " " + request.url.path + " HTTP/1.1\r\nHost: " + request.url.authority() + "\r\n";
    if (request.method != "GET") {
        head += "Content-Type: " + request.content_type + "\r\n";
        head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    }
    head += "Connection: close\r\n";
    for (const auto& [name, value] : request.fields) head += name + ": " + value + "\r\n";
    return head + "\r\n";
}

HttpResponse response_of(Parser& parser) {
    auto& message = parser.get();
    HttpResponse response;
    response.status = static_cast<int>(message.result_int());
    const auto type = message[http::field::content_type];
    response.content_type = std::string(type.data(), type.size());
    for (const auto& field : message) response.fields.emplace_back(field.name_string(), field.value());
    response.body = std::move(message.body());
    return response;
}

// False: it is not whole yet.
base::Result<bool> feed(Parser& parser, std::string& pending, const HttpUrl& url) {
    boost::system::error_code error;
    while (!parser.is_done() && !pending.empty()) {
        const auto used = parser.put(boost::asio::buffer(pending), error);
        pending.erase(0, used);
        if (error == http::error::need_more) return false;
        if (error) return trouble(url, "the answer is no HTTP: " + error.message());
        if (used == 0) return false;
    }
    return parser.is_done();
}

Task<base::Result<HttpResponse>> read_response(Stream& stream, HttpUrl url, base::SteadyTime deadline) {
    Parser parser;
    parser.eager(true);
    parser.header_limit(kMaxHead);
    parser.body_limit(kMaxBody);
    std::array<char, kReadSize> chunk;
    std::string pending;
    while (true) {
        const IoResult got = co_await stream.read_some(std::span<char>(chunk), deadline);
        if (got.status == IoStatus::eof && parser.is_header_done() && !parser.is_done()) {
            boost::system::error_code error;
            parser.put_eof(error);  // a body without a length ends here
            if (!error) co_return response_of(parser);
        }
        if (!got.ok()) {
            co_return trouble(
                url, got.status == IoStatus::timed_out ? "no answer in time" : "the connection ended: " + got.text);
        }
        pending.append(chunk.data(), got.size);
        const auto whole = feed(parser, pending, url);
        if (!whole) co_return std::unexpected(whole.error());
        if (*whole) co_return response_of(parser);
        if (pending.size() > kMaxHead) co_return trouble(url, "the answer's head is too long");
    }
}

bool plain(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

std::optional<HttpUrl> HttpUrl::parse(std::string_view text) {
    HttpUrl url;
    const auto colon = text.find("://");
    const auto scheme = base::lower(text.substr(0, colon));
    if (colon == std::string_view::npos || (scheme != "http" && scheme != "https") || !plain(text))
        return std::nullopt;
    url.tls = scheme == "https";
    text.remove_prefix(colon + 3);
    const auto slash = text.find_first_of("/?#");
    auto where = text.substr(0, slash);
    url.path = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
    if (!url.path.starts_with('/') || url.path.find('#') != std::string::npos) return std::nullopt;
    const auto end = where.starts_with('[') ? where.find(']') : where.find(':');
    if (where.starts_with('[') && end == std::string_view::npos) return std::nullopt;
    const auto port = where.find(':', where.starts_with('[') ? end : 0);
    url.port = url.tls ? 443 : 80;
    if (port != std::string_view::npos) {
        const auto digits = where.substr(port + 1);
        const auto* last = digits.data() + digits.size();
        const auto read = std::from_chars(digits.data(), last, url.port);
        if (read.ec != std::errc{} || read.ptr != last || url.port == 0) return std::nullopt;
        where = where.substr(0, port);
    }
    if (where.starts_with('[')) {
        if (!where.ends_with(']')) return std::nullopt;
        where = where.substr(1, where.size() - 2);
        if (!IpAddress::parse(where)) return std::nullopt;
    }
    url.host = base::lower(where);
    if (url.host.empty() || url.host.find('@') != std::string::npos) return std::nullopt;
    return url;
}

std::string HttpUrl::authority() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// One address after the other until one takes the connection.
Task<base::Result<std::unique_ptr<Stream>>> HttpClient::reach(Loop& loop, HttpUrl url,
                                                              base::SteadyTime deadline) const {
    std::vector<IpAddress> addresses;
    if (const auto literal = IpAddress::parse(url.host)) {
        addresses.push_back(*literal);
    } else {
        const AddressAnswer answer = co_await resolver_.addresses(loop, url.host);
        if (answer.status != DnsStatus::ok) co_return trouble(url, "no address: " + answer.text);
        addresses = answer.addresses;
    }
    base::Error last;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        Endpoint to;
        to.ip = addresses[i];
        to.port = url.port;
        // A share of what is left: one that swallows packets must not take it all.
        const auto now = loop.now();
        const auto share = now + (deadline - now) / static_cast<std::int64_t>(addresses.size() - i);
        auto stream = co_await connector_.connect(loop, std::move(to), share);
        if (!stream) {
            last = stream.error();
            continue;
        }
        if (!url.tls) co_return std::move(stream);
        auto name = url.host;
        const auto secured = co_await (*stream)->start_tls(tls_, std::move(name), share);
        if (secured) co_return std::move(stream);
        last = secured.error();
    }
    co_return trouble(url, last.log_text);
}

Task<base::Result<HttpResponse>> HttpClient::post(Loop& loop, HttpPost request, base::SteadyTime deadline) const {
    auto url = request.url;
    auto stream = co_await reach(loop, url, deadline);
    if (!stream) co_return std::unexpected(stream.error());
    const auto head = head_of(request);
    std::vector<std::string_view> pieces{head, request.body};
    const IoResult sent = co_await (*stream)->write(std::move(pieces), deadline);
    if (!sent.ok()) co_return trouble(url, "the request could not be sent: " + sent.text);
    auto response = co_await read_response(**stream, url, deadline);
    co_return response;
}

}  // namespace posthorn::net
