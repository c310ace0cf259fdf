#include "delivery/service.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "delivery/local_agent.hpp"
#include "delivery/service_impl.hpp"

namespace posthorn::delivery {

namespace {

constexpr base::Duration kStopPoll = std::chrono::milliseconds(10);
// After the connections were closed: for the outcomes to become durable.
constexpr base::Duration kLastWords = std::chrono::seconds(2);

void warn_of_invalid_certificates(const Config& config) {
    const auto warn = [](std::string_view pattern) {
        base::log::warning("delivery.security",
                           {{"domain", pattern},
                            {"msg",
                             "SECURITY WARNING: invalid certificates are accepted; mail to these domains "
                             "can be read and changed by whoever stands in between"}});
    };
    if (config.routing.accept_invalid_certs) warn("*");
    for (const policy::DomainRule& rule : config.routing.rules) {
        if (rule.accept_invalid_certs.value_or(false)) warn(rule.pattern);
    }
}

}  // namespace

Service::Impl::Impl(Deps deps, Config config)
    : shared(std::make_shared<Shared>(deps)),
      loops(deps.loops),
      laid(Laid{config, {}}),
      current(std::make_shared<const Settings>(std::move(config), 1)),
      disk(base::posix_disk()) {
    for (std::size_t i = 0; i < loops.size(); ++i) seeds.push_back(deps.random.next());
}

base::Result<void> Service::Impl::start() {
    Frozen now_frozen;
    if (const std::string& directory = settings()->config.state_dir; !directory.empty()) {
        auto read = read_frozen(*disk, directory);
        if (!read) return std::unexpected(read.error());
        now_frozen = *std::move(read);
        auto overrides = read_overrides(*disk, directory);
        if (!overrides) return std::unexpected(overrides.error());
        if (!overrides->empty()) lay(*std::move(overrides));
    }
    const auto snapshot = std::make_shared<const Frozen>(std::move(now_frozen));
    frozen.with([&](FrozenPtr& f) { f = snapshot; });
    warn_of_invalid_certificates(settings()->config);
    build(snapshot);
    std::vector<spool::QueueOwner*> owners;
    for (const Part& part : parts) owners.push_back(part.owner.get());
    shared->deps.metrics.gauge_callback("posthorn_delivery_destinations", "Destinations kept in memory",
                                        [s = shared] { return static_cast<double>(s->destinations.load()); });
    running = true;
    shared->deps.queue.attach(std::move(owners));
    start_scan();
    return {};
}

void Service::Impl::start_scan() {
    std::vector<Owner*> owners;
    for (const Part& part : parts) owners.push_back(part.owner.get());
    scan =
        std::make_shared<SafetyScan>(shared, std::move(owners), [weak = weak_from_this()] { return weak.lock(); });
    loops.at(0).post([self = shared_from_this()] { self->scan->change(self->settings()->config.scan_interval); });
    if (!shared->deps.store) return;
    mark = std::make_shared<DeliveryMark>(shared, [weak = weak_from_this()] { return weak.lock(); });
    loops.at(0).post([self = shared_from_this()] { self->mark->start(); });
}

// Before anything runs.
void Service::Impl::lay(Overrides overrides) {
    laid.with([&](Laid& both) {
        both.overrides = std::move(overrides);
        Config merged = both.config;
        merged.routing = laid_over(std::move(merged.routing), both.overrides);
        current.with(
            [&](SettingsPtr& s) { s = std::make_shared<const Settings>(std::move(merged), s->generation); });
    });
}

void Service::Impl::build(const FrozenPtr& now_frozen) {
    const std::weak_ptr<Impl> weak = weak_from_this();
    for (std::size_t i = 0; i < loops.size(); ++i) {
        Part part;
        part.context = std::make_shared<LoopContext>(LoopContext{shared,
                                                                 loops.at(i),
                                                                 std::make_unique<base::SeededRandom>(seeds[i]),
                                                                 [weak](JobResult result) {
                                                                     if (const auto self = weak.lock())
                                                                         self->report(std::move(result));
                                                                 },
                                                                 settings(),
                                                                 {},
                                                                 0});
        part.agents.push_back(std::make_shared<DestinationTable>(part.context));
        if (shared->deps.directory && shared->deps.store)
            part.agents.push_back(std::make_shared<LocalAgent>(part.context));
        Owner::Ways ways;
        ways.submit = [this, i](JobPtr job, RoutePtr route) { submit(std::move(job), std::move(route), i); };
        ways.wake = [this](const std::string& key) {
            net::Loop& loop = home(key);
            loop.post(
                [self = shared_from_this(), key, at = loop.index()] { self->parts[at].agents.front()->wake(key); });
        };
        part.owner =
            std::make_unique<Owner>(shared, loops.at(i), std::make_unique<base::SeededRandom>(seeds[i] + 1),
                                    settings(), now_frozen, std::move(ways));
        parts.push_back(std::move(part));
    }
}

void Service::Impl::submit(JobPtr job, RoutePtr route, std::size_t from) {
    // What stays here stays on its owner's loop: no host's patience has to be shared.
    const std::size_t at = route->protocol == policy::Protocol::local ? from : home(route->key).index();
    if (at == from) {
        parts[at].agent(*route).submit(std::move(job), route);
        return;
    }
    loops.at(at).post([self = shared_from_this(), job = std::move(job), route = std::move(route), at]() mutable {
        self->parts[at].agent(*route).submit(std::move(job), route);
    });
}

// Always by post: an owner is never called from within its own call of a destination.
void Service::Impl::report(JobResult result) {
    const std::size_t shard = result.job->shard;
    loops.at(shard).post([self = shared_from_this(), result = std::move(result), shard]() mutable {
        self->parts[shard].owner->on_result(std::move(result));
    });
}

void Service::Impl::on_all(std::function<void(Part&)> fn, net::Callback then) {
    struct Round {
        std::function<void(Part&)> fn;
        net::Callback then;
        std::atomic<std::size_t> left;
    };
    auto round = std::make_shared<Round>(std::move(fn), std::move(then), parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        loops.at(i).post([self = shared_from_this(), round, i] {
            round->fn(self->parts[i]);
            if (round->left.fetch_sub(1) == 1 && round->then) round->then();
        });
    }
}

// First everyone learns of it, then what waits is routed anew: nobody routes by the old table any more.
void Service::Impl::reload(Config config) {
    warn_of_invalid_certificates(config);
    laid.with([&](Laid& both) {
        both.config = std::move(config);
        Config merged = both.config;
        merged.routing = laid_over(std::move(merged.routing), both.overrides);
        renew(std::move(merged));
    });
}

void Service::Impl::renew(Config config) {
    SettingsPtr next;
    current.with([&](SettingsPtr& s) {
        next = std::make_shared<const Settings>(std::move(config), s->generation + 1);
        s = next;
    });
    on_all(
        [next](Part& part) {
            part.owner->apply(next);
            part.each_agent([&](DeliveryAgent& agent) { agent.apply(next); });
        },
        [self = shared_from_this()] {
            self->on_all(
                [](Part& part) {
                    part.each_agent([](DeliveryAgent& agent) { agent.renew(); });
                    part.owner->replan();
                },
                nullptr);
            self->loops.at(0).post([self] { self->scan->change(self->settings()->config.scan_interval); });
        });
}

void Service::Impl::stop(base::Duration grace, net::Callback done) {
    running = false;
    if (parts.empty()) {  // never started
        loops.at(0).post(std::move(done));
        return;
    }
    loops.at(0).post([self = shared_from_this(), grace, done = std::move(done)]() mutable {
        const base::SteadyTime deadline = self->loops.at(0).now() + grace;
        self->stop_deadline = self->stopping ? std::min(self->stop_deadline, deadline) : deadline;
        self->stop_done.push_back(std::move(done));
        if (std::exchange(self->stopping, true)) {
            if (self->quiet && self->stop_done.size() == 1) self->watch_stop();
            return;
        }
        self->scan->stop();
        if (self->mark) self->mark->stop();
        // Owners first: what a destination gives back is not handed out again.
        self->on_all([](Part& part) { part.owner->stop(); },
                     [self] {
                         self->on_all(
                             [](Part& part) { part.each_agent([](DeliveryAgent& agent) { agent.stop(); }); },
                             [self] {
                                 self->loops.at(0).post([self] {
                                     self->quiet = true;
                                     self->watch_stop();
                                 });
                             });
                     });
    });
}

void Service::Impl::watch_stop() {
    net::Loop& loop = loops.at(0);
    const base::SteadyTime now = loop.now();
    if (shared->active.load() == 0 || now >= stop_deadline + kLastWords) {
        std::vector<net::Callback> done;
        done.swap(stop_done);
        for (net::Callback& fn : done) fn();
        return;
    }
    if (now >= stop_deadline && !std::exchange(aborted, true)) {
        on_all([](Part& part) { part.each_agent([](DeliveryAgent& agent) { agent.abort(); }); }, nullptr);
    }
    loop.call_after(kStopPoll, [self = shared_from_this()] { self->watch_stop(); });
}

Service::Service(Deps deps, Config config) : impl_(std::make_shared<Impl>(deps, std::move(config))) {}
Service::~Service() = default;

base::Result<void> Service::start() { return impl_->start(); }
void Service::stop(base::Duration grace, net::Callback done) { impl_->stop(grace, std::move(done)); }
void Service::reload(Config config) { impl_->reload(std::move(config)); }
bool Service::running() const { return impl_->running; }

std::vector<std::string> Service::explain_route(std::string_view domain) const {
    return impl_->settings()->routing.explain(domain, impl_->shared->is_local(domain));
}

}  // namespace posthorn::delivery
