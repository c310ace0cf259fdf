// A reader as a whole: the listeners, the sessions on all loops, and their orderly end.
//
// Life: bind() while privileged, start() when logins and the store are up, reload() at will, then shut_down(), wait_drained(),
// close_sessions(), wait_drained() again. The loops must have stopped before it is destroyed. Provider and store
// outlive the loops' running.
//
// Protocol: see readers/common/session.hpp; besides `too_many`, the last words to a connection above the limit of all,
// options(config, listener), and Session, made of (worker, settings, stream).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "net/doors.hpp"
#include "net/loop.hpp"
#include "readers/common/settings.hpp"
#include "readers/common/worker.hpp"

namespace posthorn::readers {

template <class Protocol>
class Service {
public:
    using Config = readers::Config<typename Protocol::Limits>;
    using ListenerConfig = readers::ListenerConfig<typename Protocol::Limits>;

    Service(net::LoopGroup& loops, base::Metrics& metrics) : loops_(loops), shared_(loops, metrics) {
        for (std::size_t i = 0; i < loops.size(); ++i)
            workers_.push_back(std::make_unique<Worker>(loops.at(i), shared_));
    }

    // Binds every listener of the configuration, or none: the error names the one that failed. Main thread.
    base::Result<void> bind(Config config) { return reload(std::move(config)); }

    void start(auth::Provider& provider, store::Store& store) {
        shared_.provider = &provider;
        shared_.store = &store;
        doors_.start(loops_, [this](const auto& settings, net::Loop& loop, std::unique_ptr<net::Stream> stream) {
            accept(settings, loop, std::move(stream));
        });
    }

    base::Result<void> reload(Config config) {
        const auto shared = std::make_shared<const Config>(std::move(config));
        std::vector<typename Doors::Plan> plans;
        for (const auto& listener : shared->listeners) {
            auto plan =
                Doors::plan(listener, shared->tls != nullptr, [shared, &listener](const net::Endpoint& bound) {
                    return make_settings(*shared, listener, bound);
                });
            if (!plan) return std::unexpected(plan.error());
            plans.push_back(*std::move(plan));
        }
        return doors_.open(std::move(plans));
    }

    // A connection that did not come through a listener of ours (tests). On the stream's loop.
    void serve(std::unique_ptr<net::Stream> stream, const ListenerConfig& listener, const Config& config) {
        auto& loop = stream->loop();
        const auto settings = make_settings(config, listener, stream->local());
        accept(settings, loop, std::move(stream));
    }

    // Stops accepting; sessions that wait for a command are told so and end. Any thread but a loop's; idempotent.
    void shut_down() {
        doors_.stop();
        shared_.group.shut_down();
    }
    // What is left ends now, but for what the store has begun.
    void close_sessions() { shared_.group.close(); }
    // True: no session is left. Not on a loop's thread.
    bool wait_drained(base::Duration limit) { return shared_.group.wait_drained(limit); }

    // Any thread.
    bool accepting() const { return doors_.accepting(); }
    std::size_t sessions() const { return shared_.group.size(); }
    std::vector<net::Endpoint> endpoints() const { return doors_.endpoints(); }

private:
    using Settings = readers::Settings<typename Protocol::Limits, typename Protocol::Options>;
    using Worker = readers::Worker<typename Protocol::Shared>;
    using Doors = net::Doors<Settings>;

    // `bound`: where the listener really listens.
    static std::shared_ptr<const Settings> make_settings(const Config& config, const ListenerConfig& listener,
                                                         const net::Endpoint& bound) {
        auto options = Protocol::options(listener.limits);
        options.hostname = config.hostname;
        options.starttls = listener.tls == net::ListenerTls::starttls && config.tls != nullptr;
        options.implicit_tls = listener.tls == net::ListenerTls::implicit;
        options.max_errors = listener.limits.max_errors;
        options.max_logins = listener.limits.max_logins;
        return std::make_shared<const Settings>(
            Settings{.name = std::string(Protocol::name) + ' ' + bound.to_string(),
                     .listener = listener,
                     .options = std::move(options),
                     .tls = config.tls});
    }

    void accept(const std::shared_ptr<const Settings>& settings, net::Loop& loop,
                std::unique_ptr<net::Stream> stream) {
        if (shared_.group.take_place(settings->listener.limits.max_connections)) {
            using Session = typename Protocol::Session;
            return Session::launch(std::make_shared<Session>(*workers_[loop.index()], settings, std::move(stream)),
                                   std::string(Protocol::name) + " session");
        }
        shared_.base_counters.turned_away.add();
        base::log::info(std::string(Protocol::name) + ".turned_away",
                        {{"client_ip", stream->peer().ip.unmapped().to_string()},
                         {"listener", settings->name},
                         {"reason", "Too many connections in all"}});
        if (settings->listener.tls != net::ListenerTls::implicit)
            net::turn_away(std::move(stream), std::string(Protocol::too_many));
    }

    net::LoopGroup& loops_;
    typename Protocol::Shared shared_;
    std::vector<std::unique_ptr<Worker>> workers_;  // by loop index
    Doors doors_;
};

}  // namespace posthorn::readers
