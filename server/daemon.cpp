#include "server/daemon.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/log.hpp"
#include "base/version.hpp"
#include "control/account_commands.hpp"
#include "control/commands.hpp"
#include "control/domain_commands.hpp"
#include "control/import_command.hpp"
#include "control/log_level.hpp"
#include "control/mail_commands.hpp"
#include "control/route.hpp"
#include "control/store_commands.hpp"
#include "control/trace.hpp"
#include "server/config/load.hpp"
#include "server/dropped.hpp"
#include "server/parts.hpp"
#include "server/signals.hpp"
#include "server/telemetry.hpp"

namespace posthorn::server {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kDiskThreads = 4;
constexpr std::size_t kDiskQueue = 10'000;
constexpr std::size_t kStoreQueue = 20'000;
constexpr std::size_t kProbeQueue = 4;
constexpr std::size_t kReaderQueue = 64;  // more than there are control connections
constexpr auto kTick = 50ms;              // how often the main thread looks while it drains
constexpr auto kTelling = 2s;             // at the end, for spans and metrics
constexpr auto kCommitGrace = 10s;        // after the grace: for commits under way and outcomes to become durable
constexpr auto kLeaving = 30s;            // and after that, on a slow disk

void configure_log(const LogSection& section) {
    const bool text = section.format == LogFormat::text ||
                      (section.format == LogFormat::automatic && ::isatty(STDERR_FILENO) == 1);
    base::log::Levels levels{section.level, {}};
    for (const auto& [component, level] : section.components)
        levels.components.emplace(component, *base::log::parse_level(level));
    const char* wanted = std::getenv("POSTHORN_LOG");
    const bool understood = wanted == nullptr || base::log::apply_levels(wanted, levels);
    base::log::configure(
        {levels.level, text ? base::log::Format::text : base::log::Format::json, levels.components});
    if (!understood)
        base::log::warning("log.levels", {{"msg", "POSTHORN_LOG is not understood"}, {"value", wanted}});
}

void log_listening(const Bound& bound) {
    base::log::notice("server.listening", {{"protocol", bound.protocol}, {"endpoint", bound.at.to_string()}});
}

base::Result<control::Permissions> permissions(const control::Config& config) {
    control::Permissions out;
    const auto write = user_ids(config.write_users);
    if (!write) return std::unexpected(write.error());
    const auto read = user_ids(config.read_users);
    if (!read) return std::unexpected(read.error());
    out.write = {write->begin(), write->end()};
    out.read = {read->begin(), read->end()};
    const auto write_groups = group_ids(config.write_groups);
    if (!write_groups) return std::unexpected(write_groups.error());
    const auto read_groups = group_ids(config.read_groups);
    if (!read_groups) return std::unexpected(read_groups.error());
    out.write_groups = {write_groups->begin(), write_groups->end()};
    out.read_groups = {read_groups->begin(), read_groups->end()};
    out.auth = config.auth;
    auto named = out.write;
    named.insert(out.read.begin(), out.read.end());
    named.insert({0U, static_cast<unsigned>(::geteuid())});
    for (const unsigned uid : named) out.names.emplace(uid, user_name(uid));
    return out;
}

// For whoever reads it in another folder.
std::string absolute(const std::string& path) {
    return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

std::string pid_path(const Config& config) { return config.server.runtime_dir + "/posthornd.pid"; }

}  // namespace

Daemon::Parts::Parts(const Config& config)
    : metrics(config.metrics.max_domain_cardinality, config.metrics.high_priority_domains),
      event_metrics(metrics),
      events({&event_log, &event_metrics}),
      random(base::system_random()),
      admin_random(base::system_random()),
      max_message_size(config.smtp.max_message_size),
      hostname(config.server.hostname) {}

// Coroutines that still wait on a loop are destroyed with it: what they may use must still be there.
Daemon::Parts::~Parts() {
    if (exporter) exporter->finish(0s);
    if (admin) admin->stop();
    control.reset();
    health.reset();
    control_listener.reset();
    health_listener.reset();
    admin_resolver.reset();
    if (loops) loops->stop();
    // Their last jobs post to the admin loop, which therefore goes with the members: stopped, it buries such posts.
    readers.reset();
    probes.reset();
    delivery.reset();
    receiver.reset();
    imap.reset();
    pop3.reset();
    resolver.reset();
    if (queue) queue->stop();
    if (store) store->stop();
    store_pool.reset();
    disk.reset();  // runs what is queued, which may still look at the queue
    queue.reset();
    if (!listeners_file.empty()) ::unlink(listeners_file.c_str());
}

Daemon::Daemon(Config config, Options options) : config_(std::move(config)), options_(std::move(options)) {}
Daemon::~Daemon() = default;

base::Result<void> Daemon::start() {
    configure_log(config_.log);
    base::log::notice("server.starting", {{"version", base::version()},
                                          {"config", config_.path.empty() ? "embedded defaults" : config_.path},
                                          {"hostname", config_.server.hostname}});
    parts_ = std::make_unique<Parts>(config_);
    auto up = bind();
    if (up) up = open();
    if (up) up = serve();
    if (!up) parts_->notifier.status("refused to start: " + up.error().log_text);
    return up;
}

base::Result<void> Daemon::bind() {
    auto& p = *parts_;
    auto identity = wanted_identity(config_.server);
    if (!identity) return std::unexpected(identity.error());
    p.identity = *identity;
    if (auto made = make_folders(config_.server, p.identity); !made) return made;
    auto pid_file = PidFile::take(pid_path(config_));
    if (!pid_file) return std::unexpected(pid_file.error());
    p.pid_file.emplace(*std::move(pid_file));
    auto tls = make_tls(config_, p.identity);
    if (!tls) return std::unexpected(tls.error());
    p.tls = *std::move(tls);

    p.loops = net::make_loops(config_.server.threads);
    p.admin = net::make_loops(1);
    p.receiver = std::make_unique<mta::Receiver>(*p.loops, p.events, p.metrics);
    auto sampler = trace_sampler(config_);
    if (!sampler) return std::unexpected(sampler.error());
    if (auto bound = p.receiver->bind(receiver_config(config_, p.tls, *sampler)); !bound) return bound;
    p.imap = std::make_unique<imap::Service>(*p.loops, p.metrics);
    if (auto bound = p.imap->bind(imap_config(config_, p.tls)); !bound) return bound;
    p.pop3 = std::make_unique<pop3::Service>(*p.loops, p.metrics);
    if (auto bound = p.pop3->bind(pop3_config(config_, p.tls)); !bound) return bound;
    if (auto given = give_sockets(); !given) return given;
    auto control = net::bind_listener({.unix_path = config_.control.socket},
                                      {.unix_mode = config_.control.mode, .unix_group = config_.control.group});
    if (!control) return std::unexpected(control.error());
    p.control_listener = *std::move(control);
    if (p.identity) {
        // Ours to connect to and to remove, whoever we are then; a configured group was set at the binding.
        const gid_t group = config_.control.group.empty() ? p.identity->gid : static_cast<gid_t>(-1);
        if (::lchown(config_.control.socket.c_str(), p.identity->uid, group) != 0)
            return base::fail_errno(config_.control.socket, errno);
    }
    if (config_.health.enabled) {
        auto health = net::bind_listener(config_.health.listen_address);
        if (!health) return std::unexpected(health.error());
        p.health_listener = *std::move(health);
    }
    if (!p.identity) return {};
    return become(*p.identity);
}

// Unix sockets of mail, bound as root: ours to remove, whoever we are then; a configured group was set at the binding.
base::Result<void> Daemon::give_sockets() {
    const auto& p = *parts_;
    if (!p.identity) return {};
    for (const auto& section : config_.listeners) {
        const auto& path = section.listener.address.unix_path;
        const gid_t group = section.listener.unix_group.empty() ? p.identity->gid : static_cast<gid_t>(-1);
        if (!path.empty() && ::lchown(path.c_str(), p.identity->uid, group) != 0)
            return base::fail_errno(path, errno);
    }
    return {};
}

base::Result<void> Daemon::open() {
    auto& p = *parts_;
    p.disk = net::make_pool("disk", kDiskThreads, kDiskQueue);
    p.probes = net::make_pool("probe", 1, kProbeQueue);
    p.readers = net::make_pool("reader", 1, kReaderQueue);
    p.history_disk = base::posix_disk();
    p.history = std::make_unique<observe::History>(config_.history, *p.history_disk, p.clock, p.metrics);
    p.events.add(*p.history);
    p.connector = net::make_connector();
    if (auto opened = open_exporter(); !opened) return opened;
    auto resolver = net::make_resolver(*p.loops, config_.dns);
    if (!resolver) return std::unexpected(resolver.error());
    p.resolver = *std::move(resolver);
    register_callbacks(p.metrics, *p.resolver);

    auto auth = auth::open_service(
        {p.clock, *p.disk, p.metrics, net::HttpClient(*p.connector, *p.resolver, p.tls.verifying), &p.events},
        config_.auth);
    if (!auth) return std::unexpected(auth.error());
    p.auth = *std::move(auth);

    if (auto opened = open_store(); !opened) return opened;
    auto spool = config_.spool;
    spool.ephemeral = options_.ephemeral;
    auto vetting = dropped_vetting(config_, p.hostname_now());
    if (!vetting) return std::unexpected(vetting.error());
    auto queue = spool::open_queue(spool, *p.loops, *p.disk, p.clock, p.metrics, *std::move(vetting),
                                   taken_event(p.events, p.clock));
    if (!queue) return std::unexpected(queue.error());
    p.queue = *std::move(queue);

    p.delivery = std::make_unique<delivery::Service>(
        delivery::Deps{*p.loops, *p.queue, *p.resolver, *p.connector, *p.disk, p.events, p.metrics, *p.random,
                       &p.auth->directory(), p.store.get()},
        delivery_config(config_, p.tls, p.receiver->endpoints()));
    return {};
}

base::Result<void> Daemon::open_store() {
    auto& p = *parts_;
    p.store_disk = base::posix_disk();
    p.store_pool = net::make_pool("store", config_.store.threads, kStoreQueue);
    p.high_water = std::make_unique<HighWater>(p.auth->marks());
    auto store =
        store::open_store(config_.store, {*p.store_disk, *p.store_pool, p.clock, p.metrics, p.high_water.get()});
    if (!store) return std::unexpected(store.error());
    p.store = *std::move(store);
    return {};
}

base::Result<void> Daemon::open_exporter() {
    auto& p = *parts_;
    auto config = otlp_config(config_);
    if (!config) return std::unexpected(config.error());
    if (!config->traces && !config->metrics) return {};
    auto resolver = net::make_resolver(*p.admin, config_.dns);
    if (!resolver) return std::unexpected(resolver.error());
    p.admin_resolver = *std::move(resolver);
    const bool traces = config->traces.has_value();
    p.exporter = std::make_unique<observe::OtlpExporter>(
        p.admin->at(0), net::HttpClient(*p.connector, *p.admin_resolver, p.tls.verifying), p.metrics,
        *std::move(config));
    if (traces) {
        p.span_maker = std::make_unique<observe::SpanMaker>(p.exporter->spans());
        p.events.add(*p.span_maker);
    }
    return {};
}

std::vector<Bound> Daemon::listeners() const {
    std::vector<Bound> out;
    for (const auto& [protocol, at] : parts_->receiver->listeners())
        out.push_back({std::string(mta::name(protocol)), at});
    for (const auto& at : parts_->imap->endpoints()) out.push_back({"imap", at});
    for (const auto& at : parts_->pop3->endpoints()) out.push_back({"pop3", at});
    if (parts_->health_listener) out.push_back({"health", parts_->health_listener->local()});
    out.push_back({"control", parts_->control_listener->local()});
    return out;
}

base::Result<void> Daemon::serve() {
    auto& p = *parts_;
    const auto bound = listeners();
    auto who = permissions(config_.control);
    if (!who) return std::unexpected(who.error());
    p.status = std::make_unique<Status>(Status::Deps{p.clock, *p.receiver, *p.queue, *p.delivery, *p.resolver},
                                        p.hostname_now(), absolute(config_.path), bound);
    auto handlers = control::make_handlers(*p.status, {*p.delivery, *p.queue, *p.disk, p.clock});
    handlers.merge(control::make_log_handlers());
    handlers.merge(control::make_domain_handlers(*p.delivery));
    handlers.merge(control::make_account_handlers(p.auth->editor()));
    handlers.merge(control::make_store_handlers(*p.store, *p.store, p.clock));
    handlers.merge(control::make_mail_export_handlers(*p.store));
    handlers.merge(control::make_dns_handlers(*p.resolver, *p.loops));
    p.steering = std::make_unique<Steering>(config_);
    handlers.merge(control::make_steering_handlers(*p.steering));
    handlers.merge(control::make_trace_handlers(*p.history, *p.history_disk, *p.readers, p.clock));
    auto vetting = dropped_vetting(config_, p.hostname_now());
    if (!vetting) return std::unexpected(vetting.error());
    auto long_handlers = control::make_import_handlers({.queue = *p.queue,
                                                        .clock = p.clock,
                                                        .random = *p.admin_random,
                                                        .hostname = p.hostname_now(),
                                                        .vetting = *std::move(vetting),
                                                        .taken = taken_event(p.events, p.clock),
                                                        .max_size = [&p] { return p.max_message_size.load(); }});
    long_handlers.merge(control::make_mail_import_handlers(*p.store));
    p.replay = std::make_unique<Replay>(
        config_, [&p] { return p.delivery->overrides(); },
        [&p](std::string_view domain) { return p.auth->directory().is_local_domain(domain); });
    handlers.merge(control::make_route_handlers(
        {.delivery = *p.delivery,
         .resolver = *p.resolver,
         .loops = *p.loops,
         .receiving = [&p](const mail::Address& to) { return p.replay->receiving(to); },
         .directory = &p.auth->directory()}));
    long_handlers.merge(control::make_plan_handlers(*p.replay, *p.history, *p.history_disk, *p.readers, p.clock));
    p.control = std::make_unique<control::Server>(*p.admin, std::move(p.control_listener), std::move(handlers),
                                                  *std::move(who), p.metrics, std::move(long_handlers));
    if (p.health_listener) {
        p.health = std::make_unique<health::Service>(*p.admin, std::move(p.health_listener), *p.status, p.metrics,
                                                     *p.probes, config_.health);
    }
    p.loops->start();
    p.admin->start();
    p.store->start(p.admin->at(0));
    if (auto started = p.delivery->start(); !started) return started;
    p.receiver->start(*p.queue,
                      {.directory = &p.auth->directory(), .provider = &p.auth->provider(), .store = p.store.get()});
    p.imap->start(p.auth->provider(), *p.store);
    p.pop3->start(p.auth->provider(), *p.store);
    p.control->start();
    if (p.health) p.health->start();
    if (p.exporter) p.exporter->start();
    std::make_shared<Gauges>(Gauges::Deps{p.metrics, *p.delivery, *p.loops, *p.readers})->start(p.admin->at(0));

    for (const auto& one : bound) log_listening(one);
    const auto file = config_.server.runtime_dir + "/listeners.json";
    if (auto written = write_listeners(file, bound); !written) return written;
    p.listeners_file = file;
    base::log::notice("server.ready", {{"pid", ::getpid()}, {"queue_size", p.queue->stats().messages}});
    report_ready();
    return {};
}

void Daemon::report_ready() {
    auto& p = *parts_;
    if (!p.notifier.wanted()) return;
    std::vector<net::Loop*> loops{&p.admin->at(0)};
    for (std::size_t n = 0; n < p.loops->size(); ++n) loops.push_back(&p.loops->at(n));
    const auto status = [&p] {
        return std::to_string(p.queue->stats().messages) + " messages queued, " +
               std::to_string(p.receiver->sessions()) + " sessions";
    };
    p.watchdog = std::make_unique<Watchdog>(p.notifier, std::move(loops), p.clock, status);
    p.notifier.status(status());
    p.notifier.ready();
}

void Daemon::run() {
    const auto& watchdog = parts_->watchdog;
    while (true) {
        if (watchdog) watchdog->look();
        switch (wait_signal(watchdog ? watchdog->pause() : 1h)) {
            case Signal::none: break;
            case Signal::reload:
                parts_->notifier.reloading(parts_->clock.steady());
                answer_reload();
                parts_->notifier.ready();
                break;
            case Signal::stop: drain(); return;
        }
    }
}

void Daemon::answer_reload() {
    const auto waiting = parts_->steering->take_waiting();
    const auto outcome = reload();
    for (const auto& tell : waiting) tell(outcome);
}

// All of it or nothing: what can fail comes before what cannot.
control::Steering::Outcome Daemon::reload() {
    auto& p = *parts_;
    const auto refuse = [](const std::string& why) {
        base::log::error("server.reload_refused", {{"msg", "the configuration stays as it was"}, {"reason", why}});
        return std::unexpected(why);
    };
    auto fresh = load_config(config_.path, config_.server.hostname);  // no question to a resolver
    if (!fresh) return refuse(fresh.error().text);
    auto tls = make_tls(*fresh, std::nullopt);
    if (!tls) return refuse(tls.error().log_text);
    const auto sampler = trace_sampler(*fresh);
    if (!sampler) return refuse(sampler.error().log_text);
    auto who = permissions(fresh->control);
    if (!who) return refuse(who.error().log_text);
    if (auto done = p.reload_doors(config_, *fresh, *tls, *sampler); !done) return refuse(done.error().log_text);

    p.delivery->reload(delivery_config(*fresh, *tls, p.receiver->endpoints()));
    p.control->permit(*std::move(who));
    if (p.health) p.health->set_max_queue_size(fresh->health.max_queue_size);
    if (fresh->log != config_.log) configure_log(fresh->log);  // else what was set at run time stays
    p.tls = *std::move(tls);
    p.max_message_size = fresh->smtp.max_message_size;
    p.hostname.with([&](std::string& name) { name = fresh->server.hostname; });
    p.replay->reloaded(*fresh);
    auto reloaded = p.steering->took(*fresh);
    if (!reloaded.waiting.empty())
        base::log::warning("server.restart_needed", {{"keys", fmt::format("{}", fmt::join(reloaded.waiting, ", "))},
                                                     {"msg", "these keys change at the next start"}});
    base::log::notice("server.reloaded", {{"changed", reloaded.changed.size()}, {"config", config_.path}});
    config_ = *std::move(fresh);
    return reloaded;
}

// Stops accepting, lets deliveries and sessions under way end within the grace, makes outcomes durable.
void Daemon::drain() {
    auto& p = *parts_;
    const auto grace = config_.server.shutdown_grace;
    base::log::notice("server.stopping", {{"grace_seconds", std::chrono::duration<double>(grace).count()}});
    p.steering->refuse();
    p.notifier.stopping(grace + kCommitGrace + kLeaving);
    p.receiver->shut_down();
    p.imap->shut_down();
    p.pop3->shut_down();
    const auto stopped = std::make_shared<std::atomic<bool>>(false);
    p.delivery->stop(grace, [stopped] { *stopped = true; });

    auto deadline = p.clock.steady() + grace;
    bool hurried = false;
    while (true) {
        if (p.watchdog) p.watchdog->look();
        const bool drained =
            p.receiver->wait_drained(kTick) && p.imap->wait_drained(kTick) && p.pop3->wait_drained(kTick);
        if (drained && *stopped) break;
        const bool signal = wait_signal(drained ? base::Duration(kTick) : 0ns) == Signal::stop;
        const bool again = p.steering->hurry() || signal;
        const auto now = p.clock.steady();
        if (!hurried && (again || now >= deadline)) {
            hurried = true;
            deadline = now + kCommitGrace;
            if (again) base::log::notice("server.hurrying");
            p.receiver->close_sessions();
            p.imap->close_sessions();
            p.pop3->close_sessions();
            p.delivery->stop(0s, [stopped] { *stopped = true; });
        } else if (hurried && (again || now >= deadline)) {
            abandon();
        }
    }
    p.queue->stop();
    p.store->stop();
    if (p.exporter) p.exporter->finish(kTelling);
    base::log::notice("server.stopped");
    parts_.reset();
    base::log::flush();
}

// Something does not end. What is not durable was never acknowledged; the next start finds the rest.
void Daemon::abandon() {
    base::log::error("server.abandoned", {{"sessions", parts_->receiver->sessions()},
                                          {"msg", "sessions or deliveries do not end: leaving without them"}});
    parts_->pid_file.reset();
    ::unlink(parts_->listeners_file.c_str());
    ::unlink(config_.control.socket.c_str());
    base::log::flush();
    std::_Exit(0);
}

}  // namespace posthorn::server
