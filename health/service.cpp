#include "health/service.hpp"

#include <fmt/format.h>

#include "health/spool_probe.hpp"
#include "net/http_server.hpp"

namespace posthorn::health {
namespace {

// Probes are small and few: whoever sends more is not one.
constexpr net::HttpLimits kLimits{.head = 8U << 10U, .body = 4U << 10U, .connections = 256};

}  // namespace

Readiness assess(const Sources& sources, const base::Result<void>& spool, std::uint64_t max_queue_size) {
    Readiness out;
    const auto dns = sources.dns();
    const auto queue = sources.queue();
    out.smtp = sources.smtp_accepting();
    out.spool = spool.has_value() && queue.writable;
    out.delivery = sources.delivery_running();
    out.dns = dns.ok;
    out.queue_size = queue.messages;
    out.max_queue_size = max_queue_size;
    if (!out.smtp) out.reasons.emplace_back("SMTP is not accepting");
    if (!spool)
        out.reasons.push_back("spool: " + spool.error().log_text);
    else if (!queue.writable)
        out.reasons.push_back("spool: " + queue.trouble);
    if (!out.delivery) out.reasons.emplace_back("delivery is not running");
    if (!out.dns) out.reasons.push_back("dns: " + dns.text);
    if (!out.queue_ready())
        out.reasons.push_back(
            fmt::format("{} messages are queued, the limit is {}", out.queue_size, max_queue_size));
    return out;
}

struct Service::Impl final : net::HttpHandler {
    Impl(net::LoopGroup& l, std::unique_ptr<net::Listener> listener, Sources& s, base::Metrics& m,
         net::Pool& probes, const Config& config)
        : loops(l),
          sources(s),
          metrics(m),
          max_queue_size(config.max_queue_size),
          probe(l.at(0), probes, [&s] { return s.probe_spool(); }),
          server(std::move(listener), *this, kLimits) {}

    net::Task<net::HttpResponse> handle(net::Loop&, net::HttpRequest request) override {
        if (request.method != "GET" && request.method != "HEAD") {
            co_return net::HttpResponse{.status = 405,
                                        .content_type = "text/plain",
                                        .body = "GET only\n",
                                        .fields = {{"Allow", "GET, HEAD"}}};
        }
        if (request.path == "/health/live") co_return json(200, "{\"alive\":true}\n");
        if (request.path == "/metrics") {
            net::HttpResponse response;
            response.content_type = "text/plain; version=0.0.4; charset=utf-8";
            response.body = metrics.prometheus_text();
            co_return response;
        }
        if (request.path == "/health/ready") {
            const base::Result<void> spool = co_await probe.check();
            const Readiness readiness = assess(sources, spool, max_queue_size);
            co_return json(readiness.ready() ? 200 : 503, to_json(readiness));
        }
        net::HttpResponse missing;
        missing.status = 404;
        missing.body = "There are /health/live, /health/ready and /metrics.\n";
        co_return missing;
    }

    static net::HttpResponse json(int status, std::string body) {
        net::HttpResponse response;
        response.status = status;
        response.content_type = "application/json";
        response.body = std::move(body);
        response.fields.emplace_back("Cache-Control", "no-store");
        return response;
    }

    net::LoopGroup& loops;
    Sources& sources;
    base::Metrics& metrics;
    std::atomic<std::uint64_t> max_queue_size;
    SpoolProbe probe;
    net::HttpServer server;
};

Service::Service(net::LoopGroup& loops, std::unique_ptr<net::Listener> listener, Sources& sources,
                 base::Metrics& metrics, net::Pool& probes, const Config& config)
    : impl_(std::make_unique<Impl>(loops, std::move(listener), sources, metrics, probes, config)) {}

Service::~Service() = default;

void Service::start() { impl_->server.start(impl_->loops); }
void Service::stop() { impl_->server.stop(); }
void Service::set_max_queue_size(std::uint64_t n) { impl_->max_queue_size = n; }

}  // namespace posthorn::health
