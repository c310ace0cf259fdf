#include "server/gauges.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/log.hpp"

namespace posthorn::server {
namespace {

constexpr auto kEvery = std::chrono::seconds(5);

base::Gauge& recipients(base::Metrics& metrics, const char* status) {
    return metrics.gauge("posthorn_queue_recipients", "Recipients in the queue by what they do",
                         {{"status", status}});
}

}  // namespace

Gauges::Gauges(Deps deps)
    : deps_(deps),
      in_flight_(recipients(deps.metrics, "in_flight")),
      waiting_(recipients(deps.metrics, "waiting")),
      deferred_(recipients(deps.metrics, "deferred")),
      frozen_(deps.metrics.gauge("posthorn_queue_messages_frozen", "Messages an operator has frozen")),
      memory_(deps.metrics.gauge("posthorn_process_resident_memory_bytes", "Memory the process takes")),
      files_(deps.metrics.gauge("posthorn_process_open_fds", "File descriptors the process has open")),
      lag_(deps.metrics.histogram("posthorn_loop_lag_seconds",
                                  "How long a callback waited for its event loop, measured every 5 s on each",
                                  {0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5})) {}

void Gauges::start(net::Loop& admin) { net::spawn(admin, "server.gauges", run(shared_from_this(), admin)); }

net::Task<> Gauges::run(std::shared_ptr<Gauges> self, net::Loop& admin) {
    while (true) {
        self->measure_lag();
        const base::Result<delivery::Stats> stats = co_await self->deps_.delivery.stats(admin);
        if (stats) self->set_queue(*stats);
        auto read = [&memory = self->memory_, &files = self->files_] { return read_process(memory, files); };
        const base::Result<void> done = co_await net::offload(admin, self->deps_.pool, read);
        static_cast<void>(done);  // a full pool: the next time
        const auto next = admin.now() + kEvery;
        co_await net::sleep_until(admin, next);
    }
}

void Gauges::set_queue(const delivery::Stats& stats) {
    in_flight_.set(static_cast<std::int64_t>(stats.in_flight));
    waiting_.set(static_cast<std::int64_t>(stats.waiting));
    deferred_.set(static_cast<std::int64_t>(stats.deferred));
    frozen_.set(static_cast<std::int64_t>(stats.frozen));
}

void Gauges::measure_lag() {
    for (std::size_t i = 0; i < deps_.loops.size(); ++i) {
        auto& loop = deps_.loops.at(i);
        loop.post([&loop, &lag = lag_, posted = loop.now()] {
            lag.observe(std::chrono::duration<double>(loop.now() - posted).count());
        });
    }
}

base::Result<void> Gauges::read_process(base::Gauge& memory, base::Gauge& files) {
    std::int64_t total = 0;
    std::int64_t resident = 0;
    if (std::ifstream("/proc/self/statm") >> total >> resident) memory.set(resident * ::sysconf(_SC_PAGESIZE));
    std::error_code error;
    std::int64_t count = 0;
    for (auto at = std::filesystem::directory_iterator("/proc/self/fd", error);
         !error && at != std::filesystem::directory_iterator(); at.increment(error))
        ++count;
    if (!error) files.set(count);
    return {};
}

void register_callbacks(base::Metrics& metrics, net::Resolver& resolver) {
    metrics.counter_callback("posthorn_dns_queries_total", "Questions asked of name servers",
                             [&resolver] { return static_cast<double>(resolver.health().queries); });
    metrics.counter_callback("posthorn_dns_cache_hits_total", "Questions the cache has answered",
                             [&resolver] { return static_cast<double>(resolver.health().cache_hits); });
    metrics.gauge_callback("posthorn_dns_cache_entries", "Answers in the cache",
                           [&resolver] { return static_cast<double>(resolver.health().cache_entries); });
    metrics.counter_callback("posthorn_log_lines_dropped_total", "Log lines nobody took",
                             [] { return static_cast<double>(base::log::dropped()); });
}

}  // namespace posthorn::server
