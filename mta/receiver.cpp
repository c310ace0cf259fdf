#include "mta/receiver.hpp"

#include "mta/session.hpp"
#include "proto/smtp/server_reply.hpp"

namespace posthorn::mta {

namespace {

std::string too_many(const std::string& hostname) {
    std::string bytes;
    smtp::append_reply(bytes, 421, "4.3.2", hostname + " has too many connections, try again later");
    return bytes;
}

void record_turned_away(mail::EventSink& events, const Settings& settings, net::Stream& stream) {
    mail::Event event;
    event.kind = mail::EventKind::rejected;
    event.at = stream.loop().clock().wall();
    event.client_ip = stream.peer().ip.unmapped().to_string();
    event.code = 421;
    event.status = "4.3.2";
    event.text = "Too many connections in all";
    event.detail = "CONNECT";
    event.extra.emplace_back("listener", settings.name);
    events.record(event);
}

}  // namespace

Counters::Counters(base::Metrics& metrics)
    : turned_away(metrics.counter("posthorn_smtp_connections_turned_away_total",
                                  "SMTP connections refused because there were too many.")),
      tls_handshakes(metrics.counter("posthorn_smtp_tls_handshakes_total", "TLS handshakes of SMTP clients.",
                                     {{"status", "ok"}})),
      tls_failures(metrics.counter("posthorn_smtp_tls_handshakes_total", "TLS handshakes of SMTP clients.",
                                   {{"status", "failed"}})) {}

Receiver::Receiver(net::LoopGroup& loops, mail::EventSink& events, base::Metrics& metrics)
    : loops_(loops), shared_(loops, events, metrics) {
    for (std::size_t i = 0; i < loops.size(); ++i)
        workers_.push_back(std::make_unique<Worker>(loops.at(i), shared_));
}

void Receiver::start(spool::Queue& queue, Services services) {
    shared_.queue = &queue;
    shared_.services = services;
    doors_.start(loops_, [this](const auto& settings, net::Loop& loop, std::unique_ptr<net::Stream> stream) {
        accept(settings, loop, std::move(stream));
    });
}

base::Result<void> Receiver::reload(Config config) {
    const auto shared = std::make_shared<const Config>(std::move(config));
    std::vector<net::Doors<Settings>::Plan> plans;
    for (const auto& listener : shared->listeners) {
        auto plan = net::Doors<Settings>::plan(
            listener, shared->tls != nullptr,
            [shared, &listener](const net::Endpoint& bound) { return make_settings(*shared, listener, bound); });
        if (!plan) return std::unexpected(plan.error());
        plans.push_back(*std::move(plan));
    }
    auto opened = doors_.open(std::move(plans));
    if (opened)
        shared_.sending.with([&](auto& counter) { counter.set_max_accounts(shared->submission.max_accounts); });
    return opened;
}

void Receiver::serve(std::unique_ptr<net::Stream> stream, const ListenerConfig& listener, const Config& config) {
    auto& loop = stream->loop();
    const auto settings = make_settings(config, listener, stream->local());
    accept(settings, loop, std::move(stream));
}

void Receiver::accept(const std::shared_ptr<const Settings>& settings, net::Loop& loop,
                      std::unique_ptr<net::Stream> stream) {
    if (!shared_.group.take_place(settings->listener.smtp.max_connections)) {
        shared_.counters.turned_away.add();
        record_turned_away(shared_.events, *settings, *stream);
        // Behind a PROXY header or a handshake nothing can be said; and those would cost time.
        const bool plain = settings->listener.tls != net::ListenerTls::implicit &&
                           !policy::contains(settings->listener.smtp.proxy_networks, stream->peer().ip);
        if (plain) net::turn_away(std::move(stream), too_many(settings->hostname));
        return;
    }
    Session::launch(std::make_shared<Session>(*workers_[loop.index()], settings, std::move(stream)),
                    "smtp session");
}

void Receiver::shut_down() {
    doors_.stop();
    shared_.group.shut_down();
}

std::vector<std::pair<Protocol, net::Endpoint>> Receiver::listeners() const {
    std::vector<std::pair<Protocol, net::Endpoint>> out;
    doors_.each([&out](const auto& settings, const net::Endpoint& at) {
        out.emplace_back(settings->listener.protocol, at);
    });
    return out;
}

}  // namespace posthorn::mta
