#include "mta/receiver.hpp"

#include <algorithm>

#include "base/guarded.hpp"
#include "base/places.hpp"
#include "mta/session.hpp"
#include "mta/settings.hpp"
#include "proto/smtp/server_reply.hpp"

namespace posthorn::mta {

struct Receiver::Door {
    net::Endpoint asked;  // as configured: port 0 stays 0
    std::unique_ptr<net::Listener> listener;
    // Not an atomic shared_ptr: libstdc++ 12 races in its load.
    using Current = base::Guarded<std::shared_ptr<const Settings>>;
    std::shared_ptr<Current> settings;
};

namespace {

// A connection above the limit of all: told so where it costs nothing, never made a session.
net::Task<> turn_away(std::unique_ptr<net::Stream> stream, std::string hostname) {
    std::string bytes;
    smtp::append_reply(bytes, 421, "4.3.2", hostname + " has too many connections, try again later");
    const auto deadline = stream->loop().now() + std::chrono::seconds(2);
    const auto written = co_await stream->write(bytes, deadline);
    if (written.ok()) co_await stream->shutdown(deadline);
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
    : loops_(loops), shared_(events, metrics) {
    for (std::size_t i = 0; i < loops.size(); ++i)
        workers_.push_back(std::make_unique<Worker>(loops.at(i), shared_));
}

Receiver::~Receiver() = default;

base::Result<std::unique_ptr<Receiver::Door>> Receiver::open_door(const Config& config,
                                                                  const ListenerConfig& listener) const {
    if (listener.tls == ListenerTls::implicit && !config.tls) {
        return base::fail(base::ErrorKind::permanent, listener.address.to_string() + ": TLS without a certificate");
    }
    auto bound =
        net::bind_listener(listener.address, {.unix_mode = listener.unix_mode, .unix_group = listener.unix_group});
    if (!bound) return std::unexpected(bound.error());
    auto door = std::make_unique<Door>();
    door->asked = listener.address;
    door->listener = std::move(*bound);
    door->settings = std::make_shared<Door::Current>(make_settings(config, listener, door->listener->local()));
    return door;
}

void Receiver::count_sending(const Config& config) {
    shared_.sending.with([&](auto& counter) { counter.set_max_accounts(config.submission.max_accounts); });
}

base::Result<void> Receiver::bind(Config config) {
    std::vector<std::unique_ptr<Door>> doors;
    for (const auto& listener : config.listeners) {
        auto door = open_door(config, listener);
        if (!door) return std::unexpected(door.error());
        doors.push_back(std::move(*door));
    }
    count_sending(config);
    const std::lock_guard lock(doors_mutex_);
    doors_ = std::move(doors);
    return {};
}

void Receiver::start(spool::Queue& queue, Services services) {
    shared_.queue = &queue;
    shared_.services = services;
    const std::lock_guard lock(doors_mutex_);
    started_ = true;
    for (auto& door : doors_) start(*door);
}

void Receiver::start(Door& door) {
    door.listener->start(loops_,
                         [this, settings = door.settings](net::Loop& loop, std::unique_ptr<net::Stream> stream) {
                             accept(settings->with([](auto& current) { return current; }), loop, std::move(stream));
                         });
}

base::Result<void> Receiver::reload(Config config) {
    std::vector<std::unique_ptr<Door>> fresh;
    std::vector<std::pair<Door*, const ListenerConfig*>> kept;
    for (const auto& listener : config.listeners) {
        const auto same = [&](const auto& door) {
            return door->asked == listener.address &&
                   std::ranges::none_of(kept, [&](const auto& pair) { return pair.first == door.get(); });
        };
        if (const auto found = std::ranges::find_if(doors_, same); found != doors_.end()) {
            if (listener.tls == ListenerTls::implicit && !config.tls) {
                return base::fail(base::ErrorKind::permanent,
                                  listener.address.to_string() + ": TLS without a certificate");
            }
            kept.emplace_back(found->get(), &listener);
            continue;
        }
        auto door = open_door(config, listener);
        if (!door) return std::unexpected(door.error());
        fresh.push_back(std::move(*door));
    }
    // Nothing can fail any more.
    count_sending(config);
    const std::lock_guard lock(doors_mutex_);
    for (const auto& [door, listener] : kept) {
        door->settings->with(
            [&](auto& current) { current = make_settings(config, *listener, door->listener->local()); });
    }
    std::erase_if(doors_, [&](const auto& door) {
        const bool keep = std::ranges::any_of(kept, [&](const auto& pair) { return pair.first == door.get(); });
        if (!keep) door->listener->stop();
        return !keep;
    });
    for (auto& door : fresh) {
        if (started_) start(*door);
        doors_.push_back(std::move(door));
    }
    return {};
}

void Receiver::serve(std::unique_ptr<net::Stream> stream, const ListenerConfig& listener, const Config& config) {
    auto& loop = stream->loop();
    const auto settings = make_settings(config, listener, stream->local());
    accept(settings, loop, std::move(stream));
}

void Receiver::accept(const std::shared_ptr<const Settings>& settings, net::Loop& loop,
                      std::unique_ptr<net::Stream> stream) {
    if (!base::take_place(shared_.sessions, settings->listener.smtp.max_connections)) {
        shared_.counters.turned_away.add();
        record_turned_away(shared_.events, *settings, *stream);
        // Behind a PROXY header or a handshake nothing can be said; and those would cost time.
        const bool plain = settings->listener.tls != ListenerTls::implicit &&
                           !policy::contains(settings->listener.smtp.proxy_networks, stream->peer().ip);
        if (plain) net::spawn(loop, "smtp turn away", turn_away(std::move(stream), settings->hostname));
        return;
    }
    Session::start(*workers_[loop.index()], settings, std::move(stream));
}

void Receiver::shut_down() {
    shared_.stopping = true;
    {
        const std::lock_guard lock(doors_mutex_);
        for (auto& door : doors_) door->listener->stop();
    }
    for (auto& worker : workers_) {
        worker->loop.post([w = worker.get()] {
            // A session that ends leaves the set, but never from within this call.
            for (auto* session : w->sessions) session->shut_down();
        });
    }
}

void Receiver::close_sessions() {
    for (auto& worker : workers_) {
        worker->loop.post([w = worker.get()] {
            for (auto* session : w->sessions) session->close();
        });
    }
}

bool Receiver::wait_drained(base::Duration limit) {
    std::unique_lock lock(shared_.drained_mutex);
    return shared_.drained.wait_for(lock, limit, [this] { return shared_.sessions == 0; });
}

bool Receiver::accepting() const {
    const std::lock_guard lock(doors_mutex_);
    return !doors_.empty() &&
           std::ranges::all_of(doors_, [](const auto& door) { return door->listener->accepting(); });
}

std::vector<net::Endpoint> Receiver::endpoints() const {
    std::vector<net::Endpoint> out;
    for (auto& [protocol, at] : listeners()) out.push_back(std::move(at));
    return out;
}

std::vector<std::pair<Protocol, net::Endpoint>> Receiver::listeners() const {
    std::vector<std::pair<Protocol, net::Endpoint>> out;
    const std::lock_guard lock(doors_mutex_);
    for (const auto& door : doors_) {
        const auto protocol = door->settings->with([](const auto& current) { return current->listener.protocol; });
        out.emplace_back(protocol, door->listener->local());
    }
    return out;
}

}  // namespace posthorn::mta
