#include "tests/simulation/world.hpp"

#include <algorithm>

namespace posthorn::simulation {

using namespace std::chrono_literals;
using net::DnsStatus;

World::World(std::uint64_t seed, Trace& trace, Ledger& ledger) : dice(seed), trace_(trace), ledger_(ledger) {
    draw_config();
    const int count = dice.between(1, 6);
    for (int i = 0; i < count; ++i) add_domain("d" + std::to_string(i) + ".test");
    if (dice.chance(200)) add_smarthost();
    if (dice.chance(200)) add_lmtp("lmtp.test");
    resolver.add_mx("null.test", 0, "");
    ledger_.said_permanent("null.test");
    resolver.add_mx("ourselves.test", 10, config.hostname);
    ledger_.said_permanent("ourselves.test");
    ledger_.said_permanent("nowhere.test");
    strange_ = {"null.test", "ourselves.test", "nowhere.test"};
    refresh(true);
}

// ---- the configuration ----------------------------------------------------------------------------------------

void World::draw_config() {
    loops = static_cast<std::size_t>(dice.between(1, 3));
    latency = dice.chance(300) ? dice.span(1ms, 2s) : 1ms;
    connector.set_latency(dice.span(1ms, 300ms));
    config.hostname = "mail.test";
    config.own_names = {"mail.test"};
    config.dsn.reporting_mta = "mail.test";
    config.dsn.postmaster = "postmaster@mail.test";
    config.dsn.enabled = !dice.chance(50);
    config.dsn.delay_warning = dice.chance(300) ? base::Duration{} : dice.span(1min, 4h);
    config.retry.min = dice.span(1s, 5min);
    config.retry.max = config.retry.min * dice.between(1, 40);
    config.retry.max_attempts = static_cast<std::uint32_t>(dice.between(1, 30));
    config.retry.max_age = dice.chance(500) ? base::Duration(5 * 24h) : dice.span(5min, 48h);
    config.connection_idle = dice.span(100ms, 30s);
    config.connection_transactions = static_cast<std::uint32_t>(dice.chance(500) ? 1000 : dice.between(1, 3));
    config.timeouts.connect = dice.span(5s, 60s);
    config.timeouts.data = dice.span(5s, 120s);
    config.routing.tls = dice.chance(800) ? policy::TlsPolicy::may : policy::TlsPolicy::none;
    config.routing.max_connections = static_cast<std::uint32_t>(dice.between(1, 5));
    config.routing.max_recipients = static_cast<std::uint32_t>(dice.chance(500) ? 100 : dice.between(1, 3));
    config.routing.rate = {};
}

policy::DomainRule& World::rule(const std::string& pattern) {
    auto& rules = config.routing.rules;
    const auto at = std::ranges::find(rules, pattern, &policy::DomainRule::pattern);
    if (at != rules.end()) return *at;
    rules.emplace_back().pattern = pattern;
    return rules.back();
}

void World::draw_rate(policy::DomainRule& rule) {
    rule.messages_per_second = 1.0 / std::chrono::duration<double>(dice.span(100ms, 5min)).count();
    rule.burst_size = static_cast<std::uint32_t>(dice.between(1, 10));
}

void World::change_config() {
    if (dice.chance(300)) config.retry.max_attempts = static_cast<std::uint32_t>(dice.between(1, 30));
    if (dice.chance(300)) {
        config.retry.min = dice.span(1s, 5min);
        config.retry.max = config.retry.min * dice.between(1, 40);
    }
    if (dice.chance(100)) config.retry.max_age = dice.span(5min, 120h);
    if (dice.chance(300)) draw_rate(rule(some_site().pattern));
    if (dice.chance(200)) {
        const Domain& domain = dice.pick(domains_);  // one of its hosts alone, or all of them again
        auto& way = rule(domain.site->pattern).mx_override;
        const bool others = domain.site->lmtp || domain.site->pattern != domain.name;
        way.reset();
        if (!others && dice.chance(600)) way = policy::Hop{dice.pick(domain.hosts), 25};
    }
    if (dice.chance(100)) config.dsn.delay_warning = dice.chance(300) ? base::Duration{} : dice.span(1min, 4h);
    refresh(false);
}

// What the ledger and the sites hold the service to: the most that any configuration of this life allows.
void World::refresh(bool new_life) {
    ledger_.retry_policy(config.retry, config.dsn.enabled);
    const policy::RoutingTable table(config.routing);
    for (const auto& site : sites_) {
        const policy::Route route = table.route(site->name);
        site->key = route.key;
        site->max_connections = std::max(route.max_connections, 1U);
        policy::Rate rate = route.rate;
        rate.burst = std::max(rate.burst, 1U);
        const bool unlimited = rate.per_second <= 0 || (!new_life && site->rate.per_second <= 0);
        if (!new_life) {
            rate.per_second = std::max(rate.per_second, site->rate.per_second);
            rate.burst = std::max(rate.burst, site->rate.burst);
        }
        if (unlimited) rate.per_second = 0;
        site->rate = rate;
    }
}

void World::new_life() {
    for (const auto& site : sites_) {
        site->open = 0;
        site->transactions.clear();
    }
    refresh(true);
}

// ---- destinations ---------------------------------------------------------------------------------------------

Site& World::add_site(const std::string& name) {
    sites_.push_back(std::make_unique<Site>());
    sites_.back()->name = sites_.back()->pattern = name;
    return *sites_.back();
}

std::string World::add_host(Site& site, const std::string& name) {
    const int addresses = dice.between(1, 3);
    for (int i = 0; i < addresses; ++i) {
        const auto number = std::to_string(hosts_.size() + 1);
        const std::string ip = dice.chance(400) ? "2001:db8::" + number : "192.0.2." + number;
        resolver.add_address(name, ip);
        const std::uint16_t port = site.lmtp ? 24 : 25;
        const net::Endpoint at{*net::IpAddress::parse(ip), port, {}};
        hosts_.push_back(std::make_unique<Host>(Ports{connector, ledger_, trace_, dice}, site, at));
        if (dice.chance(500)) hosts_.back()->become(draw_temper(dice));
    }
    return name;
}

void World::add_domain(const std::string& name) {
    Site& site = add_site(name);
    Domain domain{name, &site, {}};
    if (dice.chance(150)) {
        domain.hosts.push_back(add_host(site, name));  // no MX: the domain itself
    } else {
        const int count = dice.between(1, 4);
        for (int i = 0; i < count; ++i) {
            const std::string host = "mx" + std::to_string(i) + "." + name;
            resolver.add_mx(name, static_cast<std::uint16_t>(dice.between(1, 2) * 10), host);
            domain.hosts.push_back(add_host(site, host));
        }
    }
    if (dice.chance(500)) draw_rate(rule(name));
    if (dice.chance(300)) rule(name).max_connections = static_cast<std::uint32_t>(dice.between(1, 2));
    domains_.push_back(std::move(domain));
}

void World::add_smarthost() {
    Site& site = add_site("a.via.test");
    add_host(site, "relay.test");
    site.pattern = "*.via.test";
    auto& via = rule(site.pattern);
    via.smarthost = policy::Hop{"relay.test", 25};
    if (dice.chance(500)) draw_rate(via);
    domains_.push_back({"a.via.test", &site, {"relay.test"}});
    domains_.push_back({"b.via.test", &site, {"relay.test"}});
    ledger_.belongs("b.via.test", site.name);
}

void World::add_lmtp(const std::string& name) {
    Site& site = add_site(name);
    site.lmtp = true;
    add_host(site, "store.test");
    auto& local = rule(name);
    local.transport = policy::Transport{policy::Protocol::lmtp, policy::Hop{"store.test", 24}, {}};
    domains_.push_back({name, &site, {"store.test"}});
}

std::string World::recipient(const std::string& local) {
    if (dice.chance(20)) return local + "@" + dice.pick(strange_);
    return local + "@" + dice.pick(domains_).name;
}

std::string World::sender(const std::string& local) { return local + "@" + dice.pick(domains_).name; }

// ---- what changes ---------------------------------------------------------------------------------------------

void World::change_temper() {
    Host& host = *hosts_.at(dice.below(hosts_.size()));
    host.become(dice.chance(400) ? healthy(dice) : draw_temper(dice));
    trace_.note("temper of {} changes", host.endpoint().to_string());
}

void World::change_dns() {
    const Domain& domain = dice.pick(domains_);
    const std::string name = dice.chance(500) ? domain.name : dice.pick(domain.hosts);
    DnsStatus status = DnsStatus::ok;
    switch (dice.between(0, 9)) {
        case 0: status = DnsStatus::nxdomain; break;
        case 1: status = DnsStatus::no_data; break;
        case 2:
        case 3: status = DnsStatus::servfail; break;
        case 4:
        case 5: status = DnsStatus::timed_out; break;
        default: break;
    }
    const bool permanent = status == DnsStatus::nxdomain || status == DnsStatus::no_data;
    if (permanent && !dice.chance(200)) status = DnsStatus::servfail;
    if (status == DnsStatus::nxdomain || status == DnsStatus::no_data) ledger_.said_permanent(domain.site->name);
    resolver.fail(name, status);
    resolver.delay(name, dice.chance(200) ? dice.span(1ms, 15s) : base::Duration{});
    trace_.note("DNS of {} changes to {}", name, static_cast<int>(status));
}

void World::heal() {
    for (const auto& host : hosts_) host->become(healthy(dice));
    for (const Domain& domain : domains_) {
        resolver.fail(domain.name, DnsStatus::ok);
        resolver.delay(domain.name, {});
        for (const std::string& host : domain.hosts) {
            resolver.fail(host, DnsStatus::ok);
            resolver.delay(host, {});
        }
    }
    trace_.note("all is well");
}

base::Duration World::patience(std::size_t recipients) const {
    // What is under way may take ten minutes for the answer to its last dot, at one host; then the longest pause,
    // then its turn in a line; and the same again for the DSN that came of it.
    base::Duration line = std::chrono::seconds(60) * recipients;  // one after the other at the slowest host
    for (const auto& site : sites_) {
        if (site->rate.per_second <= 0) continue;
        const policy::RoutingTable table(config.routing);
        const double slow = table.route(site->name).rate.per_second;
        line = std::max(line, base::Duration(static_cast<std::int64_t>(
                                  1e9 / slow * static_cast<double>(recipients + site->transactions.size()))));
    }
    return 3 * (40min + 2 * config.retry.max + line);
}

}  // namespace posthorn::simulation
