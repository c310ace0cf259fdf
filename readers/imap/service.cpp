#include "readers/imap/service.hpp"

#include "base/log.hpp"
#include "base/places.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

// A connection above the limit of all: told so where it costs nothing, never made a session.
net::Task<> turn_away(std::unique_ptr<net::Stream> stream) {
    const std::string bytes = "* BYE [UNAVAILABLE] Too many connections, try again later\r\n";
    const auto deadline = stream->loop().now() + std::chrono::seconds(2);
    const auto written = co_await stream->write(bytes, deadline);
    if (written.ok()) co_await stream->shutdown(deadline);
}

}  // namespace

Counters::Counters(base::Metrics& metrics)
    : sessions(metrics.counter("posthorn_imap_sessions_total", "IMAP sessions that began.")),
      turned_away(metrics.counter("posthorn_imap_connections_turned_away_total",
                                  "IMAP connections refused because there were too many.")),
      tls_handshakes(metrics.counter("posthorn_imap_tls_handshakes_total", "TLS handshakes of IMAP clients.",
                                     {{"status", "ok"}})),
      tls_failures(metrics.counter("posthorn_imap_tls_handshakes_total", "TLS handshakes of IMAP clients.",
                                   {{"status", "failed"}})),
      commands(metrics.counter("posthorn_imap_commands_total", "IMAP commands that were run.")),
      appended(metrics.counter("posthorn_imap_messages_appended_total", "Messages stored by IMAP clients.")) {}

Service::Service(net::LoopGroup& loops, base::Metrics& metrics) : loops_(loops), shared_(metrics) {
    for (std::size_t i = 0; i < loops.size(); ++i)
        workers_.push_back(std::make_unique<Worker>(loops.at(i), shared_));
}

Service::~Service() = default;

base::Result<void> Service::reload(Config config) {
    const auto shared = std::make_shared<const Config>(std::move(config));
    std::vector<net::Doors<Settings>::Plan> plans;
    for (std::size_t i = 0; i < shared->listeners.size(); ++i) {
        const auto& listener = shared->listeners[i];
        if (listener.tls == ListenerTls::implicit && !shared->tls)
            return base::fail(base::ErrorKind::permanent,
                              listener.address.to_string() + ": TLS without a certificate");
        plans.push_back({.at = listener.address,
                         .options = {.unix_mode = listener.unix_mode, .unix_group = listener.unix_group},
                         .settings = [shared, i](const net::Endpoint& bound) {
                             return make_settings(*shared, shared->listeners[i], bound);
                         }});
    }
    return doors_.open(std::move(plans));
}

void Service::start(auth::Provider& provider, store::Store& store) {
    shared_.provider = &provider;
    shared_.store = &store;
    doors_.start(loops_, [this](const auto& settings, net::Loop& loop, std::unique_ptr<net::Stream> stream) {
        accept(settings, loop, std::move(stream));
    });
}

void Service::serve(std::unique_ptr<net::Stream> stream, const ListenerConfig& listener, const Config& config) {
    auto& loop = stream->loop();
    const auto settings = make_settings(config, listener, stream->local());
    accept(settings, loop, std::move(stream));
}

void Service::accept(const std::shared_ptr<const Settings>& settings, net::Loop& loop,
                     std::unique_ptr<net::Stream> stream) {
    if (base::take_place(shared_.sessions, settings->listener.imap.max_connections))
        return Session::start(*workers_[loop.index()], settings, std::move(stream));
    shared_.counters.turned_away.add();
    base::log::info("imap.turned_away", {{"client_ip", stream->peer().ip.unmapped().to_string()},
                                         {"listener", settings->name},
                                         {"reason", "Too many connections in all"}});
    if (settings->listener.tls != ListenerTls::implicit)
        net::spawn(loop, "imap turn away", turn_away(std::move(stream)));
}

void Service::shut_down() {
    shared_.stopping = true;
    doors_.stop();
    for (auto& worker : workers_) {
        worker->loop.post([w = worker.get()] {
            // A session that ends leaves the set, but never from within this call.
            for (auto* session : w->sessions) session->shut_down();
        });
    }
}

void Service::close_sessions() {
    for (auto& worker : workers_) {
        worker->loop.post([w = worker.get()] {
            for (auto* session : w->sessions) session->close();
        });
    }
}

bool Service::wait_drained(base::Duration limit) {
    std::unique_lock lock(shared_.drained_mutex);
    return shared_.drained.wait_for(lock, limit, [this] { return shared_.sessions == 0; });
}

}  // namespace posthorn::imap
