// Everything the daemon is made of, in floor order: members are destroyed in reverse.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "auth/service.hpp"
#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "control/server.hpp"
#include "delivery/service.hpp"
#include "health/service.hpp"
#include "mta/receiver.hpp"
#include "net/dns.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"
#include "net/stream.hpp"
#include "observe/event_log.hpp"
#include "observe/event_metrics.hpp"
#include "observe/history.hpp"
#include "observe/otlp_exporter.hpp"
#include "readers/imap/service.hpp"
#include "readers/pop3/service.hpp"
#include "server/daemon.hpp"
#include "server/folders.hpp"
#include "server/gauges.hpp"
#include "server/high_water.hpp"
#include "server/notify.hpp"
#include "server/pid_file.hpp"
#include "server/replay.hpp"
#include "server/status.hpp"
#include "server/steering.hpp"
#include "server/watchdog.hpp"
#include "spool/spool.hpp"
#include "store/backend.hpp"

namespace posthorn::server {

// TLS contexts of one moment of the configuration.
struct TlsContexts {
    std::shared_ptr<const net::TlsServerContext> server;
    std::shared_ptr<const net::TlsClientContext> unverified;
    std::shared_ptr<const net::TlsClientContext> verifying;
};

base::Result<TlsContexts> make_tls(const Config& config, const std::optional<Identity>& owner);
mta::Config receiver_config(const Config& config, const TlsContexts& tls, std::optional<observe::Sampler> sampler);
imap::Config imap_config(const Config& config, const TlsContexts& tls);
pop3::Config pop3_config(const Config& config, const TlsContexts& tls);
// `bound`: where the receiver really listens.
delivery::Config delivery_config(const Config& config, const TlsContexts& tls, std::vector<net::Endpoint> bound);

struct Daemon::Parts {
    explicit Parts(const Config& config);
    ~Parts();
    base::Result<void> reload_doors(const Config& old, const Config& fresh, const TlsContexts& fresh_tls,
                                    const std::optional<observe::Sampler>& sampler);

    base::SystemClock clock;
    const Notifier notifier = Notifier::from_environment();
    base::Metrics metrics;
    observe::EventLog event_log;
    observe::EventMetrics event_metrics;
    std::unique_ptr<base::Disk> history_disk;
    std::unique_ptr<observe::History> history;      // null until privileges are dropped: its files are to be ours
    std::unique_ptr<net::Resolver> admin_resolver;  // for the exporter's loop; null without one
    std::unique_ptr<observe::OtlpExporter> exporter;
    std::unique_ptr<observe::SpanMaker> span_maker;
    observe::EventFan events;
    std::unique_ptr<base::Random> random;
    std::unique_ptr<base::Random> admin_random;      // the admin loop's
    std::atomic<std::uint64_t> max_message_size{0};  // as smtp.max_message_size is now
    base::Guarded<std::string> hostname;             // as server.hostname is now
    std::function<std::string()> hostname_now() {    // any thread
        return [this] { return hostname.with([](const std::string& name) { return name; }); };
    }

    std::optional<PidFile> pid_file;
    std::optional<Identity> identity;
    TlsContexts tls;

    std::unique_ptr<net::LoopGroup> loops;  // mail
    std::unique_ptr<net::LoopGroup> admin;  // control and health: one loop, apart from the mail's load
    std::unique_ptr<net::Pool> disk;
    std::unique_ptr<net::Pool> probes;   // writes that tell whether the spool can be written
    std::unique_ptr<net::Pool> readers;  // of the history: they read long
    std::unique_ptr<auth::Service> auth;
    std::unique_ptr<net::Connector> connector;
    std::unique_ptr<net::Resolver> resolver;

    std::unique_ptr<mta::Receiver> receiver;  // bound before there is a queue, so destroyed after it
    std::unique_ptr<imap::Service> imap;      // so too: before there is a store
    std::unique_ptr<pop3::Service> pop3;
    std::unique_ptr<net::Listener> control_listener;
    std::unique_ptr<net::Listener> health_listener;

    std::unique_ptr<base::Disk> store_disk;
    std::unique_ptr<net::Pool> store_pool;  // threads that wait for accounts' files
    std::unique_ptr<HighWater> high_water;
    std::unique_ptr<store::Backend> store;
    std::unique_ptr<spool::Queue> queue;
    std::unique_ptr<delivery::Service> delivery;

    std::unique_ptr<Status> status;
    std::unique_ptr<Steering> steering;
    std::unique_ptr<Replay> replay;
    std::unique_ptr<health::Service> health;
    std::unique_ptr<control::Server> control;
    std::unique_ptr<Watchdog> watchdog;  // null without a service manager

    std::string listeners_file;  // removed at the end
    bool loops_running = false;
};

}  // namespace posthorn::server
