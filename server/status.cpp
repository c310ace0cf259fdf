#include "server/status.hpp"

#include <unistd.h>

#include "base/log.hpp"
#include "base/units.hpp"
#include "base/version.hpp"
#include "control/commands.hpp"
#include "control/views.hpp"

namespace posthorn::server {
namespace {

using control::Value;

Value spool_value(const spool::QueueStats& stats) {
    auto out = Value::map();
    out.set("writable", stats.writable).set("trouble", stats.trouble);
    out.set("messages", stats.messages).set("bytes", stats.bytes).set("disk_bytes", stats.disk_bytes);
    out.set("segments", stats.segments).set("accepted", stats.accepted).set("finished", stats.finished);
    out.set("rounds", stats.rounds).set("quarantined", stats.quarantined).set("memory_used", stats.memory_used);
    return out;
}

Value dns_value(const net::DnsHealth& dns) {
    auto out = Value::map();
    out.set("ok", dns.ok).set("text", dns.text).set("queries", dns.queries);
    out.set("cache_hits", dns.cache_hits).set("cache_entries", dns.cache_entries);
    return out;
}

}  // namespace

Status::Status(Deps deps, std::function<std::string()> hostname, std::string config, std::vector<Bound> listeners)
    : deps_(deps),
      hostname_(std::move(hostname)),
      config_(std::move(config)),
      listeners_(std::move(listeners)),
      started_(deps.clock.steady()) {}

net::Task<base::Result<Value>> Status::status(net::Loop& loop) {
    const base::Result<delivery::Stats> stats = co_await deps_.delivery.stats(loop);
    const auto spool = deps_.queue.stats();
    const auto dns = deps_.resolver.health();

    auto listeners = Value::list();
    for (const auto& bound : listeners_)
        listeners.add(Value::map().set("protocol", bound.protocol).set("endpoint", bound.at.to_string()));
    auto smtp = Value::map();
    smtp.set("accepting", smtp_accepting()).set("sessions", deps_.receiver.sessions());

    auto out = Value::map();
    out.set("version", base::version()).set("hostname", hostname_()).set("pid", ::getpid()).set("config", config_);
    out.set("uptime", base::format_duration(deps_.clock.steady() - started_));
    out.set("queue_size", spool.messages).set("quarantined", spool.quarantined);
    out.set("smtp", std::move(smtp)).set("spool", spool_value(spool));
    if (stats)
        out.set("delivery", control::stats_view(*stats));
    else
        out.set("delivery", Value::map().set("trouble", stats.error().log_text));
    out.set("dns", dns_value(dns)).set("log_lines_dropped", base::log::dropped());
    out.set("listeners", std::move(listeners));
    co_return out;
}

}  // namespace posthorn::server
