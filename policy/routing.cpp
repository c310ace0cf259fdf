#include "policy/routing.hpp"

#include <charconv>

#include "base/ascii.hpp"
#include "mail/address.hpp"

namespace posthorn::policy {

namespace {

// Of one job: small enough that its record, and what a stop leaves undone of it, stay small.
constexpr std::uint32_t kLocalRecipients = 1000;

std::optional<std::uint16_t> parse_port(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > 65535) {
        return std::nullopt;
    }
    return static_cast<std::uint16_t>(value);
}

// What an address literal is made of; whether it is an address shows when it is used.
bool valid_host(std::string_view host, bool bracketed) {
    if (bracketed) return mail::literal_address("[IPv6:" + std::string(host) + "]").has_value();
    return host == "localhost" || mail::valid_domain(host);
}

bool chooses_way(const DomainRule& rule) { return rule.mx_override || rule.smarthost || rule.transport; }

void set_way(Route& route, const DomainRule& rule) {
    if (rule.transport && rule.transport->protocol == Protocol::lmtp) {
        route.protocol = Protocol::lmtp;
        if (rule.transport->hop) {
            route.via = Route::Via::host;
            route.hop = *rule.transport->hop;
        } else {
            route.via = Route::Via::unix_socket;
            route.unix_path = rule.transport->unix_path;
        }
    } else if (rule.mx_override) {
        route.via = Route::Via::host;
        route.hop = *rule.mx_override;
    } else if (rule.smarthost) {
        route.via = Route::Via::host;
        route.hop = *rule.smarthost;
        route.smarthost = true;
        route.user = rule.smarthost_user;
        route.password = rule.smarthost_password;
    }
}

template <class T, class Field>
void take(T& into, const std::vector<const DomainRule*>& rules, Field field) {
    for (const DomainRule* rule : rules) {
        if (rule->*field) {
            into = *(rule->*field);
            return;
        }
    }
}

}  // namespace

std::string Hop::to_string() const {
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return shown + ":" + std::to_string(port);
}

base::Result<Hop> parse_hop(std::string_view text, std::uint16_t default_port) {
    const auto bad = [&] { return base::fail(base::ErrorKind::permanent, "not host:port: " + std::string(text)); };
    Hop hop{{}, default_port};
    std::string_view rest;
    const bool bracketed = text.starts_with('[');
    if (bracketed) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return bad();
        hop.host = base::lower(text.substr(1, close - 1));
        rest = text.substr(close + 1);
    } else {
        const std::size_t colon = text.find(':');
        hop.host = base::lower(text.substr(0, colon));
        if (colon != std::string_view::npos) rest = text.substr(colon);
    }
    if (!valid_host(hop.host, bracketed)) return bad();
    if (!rest.empty()) {
        const auto port = rest.starts_with(':') ? parse_port(rest.substr(1)) : std::nullopt;
        if (!port) return bad();
        hop.port = *port;
    }
    return hop;
}

base::Result<Transport> parse_transport(std::string_view text) {
    if (text == "smtp") return Transport{};
    if (!text.starts_with("lmtp:")) {
        return base::fail(base::ErrorKind::permanent,
                          "not a transport (smtp, lmtp:/path, lmtp:host:port): " + std::string(text));
    }
    text.remove_prefix(5);
    Transport transport{Protocol::lmtp, std::nullopt, {}};
    if (text.starts_with('/')) {
        transport.unix_path = text;
        return transport;
    }
    auto hop = parse_hop(text, kLmtpPort);
    if (!hop) return std::unexpected(hop.error());
    transport.hop = *hop;
    return transport;
}

std::string Route::next_hop() const {
    switch (via) {
        case Via::mx: return "mx of " + domain;
        case Via::host: return hop.to_string();
        case Via::unix_socket: return "unix:" + unix_path;
        case Via::store: return "the store";
    }
    return {};
}

RoutingTable::RoutingTable(RoutingConfig config) : config_(std::move(config)) {
    for (const DomainRule& rule : config_.rules) by_pattern_.emplace(rule.pattern, &rule);
}

std::vector<const DomainRule*> RoutingTable::matching(std::string_view domain) const {
    std::vector<const DomainRule*> found;
    if (by_pattern_.empty()) return found;
    const auto add = [&](const std::string& pattern) {
        if (const auto at = by_pattern_.find(pattern); at != by_pattern_.end()) found.push_back(at->second);
    };
    add(std::string(domain));
    if (!domain.starts_with('[')) {
        for (std::size_t dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.', dot + 1)) {
            add("*" + std::string(domain.substr(dot)));
        }
    }
    add("*");
    return found;
}

bool RoutingTable::stays(std::string_view domain, bool local) const {
    if (!local) return false;
    const auto exact = by_pattern_.find(domain);
    return exact == by_pattern_.end() || !chooses_way(*exact->second);
}

Route RoutingTable::route(std::string_view domain, bool local) const {
    if (stays(domain, local)) {
        Route route;
        route.key = kLocalKey;
        route.domain = domain;
        route.via = Route::Via::store;
        route.protocol = Protocol::local;
        route.max_recipients = kLocalRecipients;
        return route;
    }
    const std::vector<const DomainRule*> rules = matching(domain);
    Route route;
    route.domain = domain;
    route.key = domain;
    route.tls = config_.tls;
    route.accept_invalid_certs = config_.accept_invalid_certs;
    route.max_connections = config_.max_connections;
    route.max_recipients = config_.max_recipients;
    route.rate = config_.rate;
    for (const DomainRule* rule : rules) {
        if (!chooses_way(*rule)) continue;
        set_way(route, *rule);
        break;
    }
    take(route.tls, rules, &DomainRule::tls);
    take(route.accept_invalid_certs, rules, &DomainRule::accept_invalid_certs);
    take(route.max_connections, rules, &DomainRule::max_connections);
    take(route.max_recipients, rules, &DomainRule::max_recipients);
    take(route.rate.per_second, rules, &DomainRule::messages_per_second);
    take(route.rate.burst, rules, &DomainRule::burst_size);
    // All domains whose most specific rule is the same have the same settings (their wider rules are the same
    // too), so they can share a smarthost's destination.
    if (route.smarthost) route.key = "smarthost " + route.hop.to_string() + " " + rules.front()->pattern;
    return route;
}

std::vector<std::string> RoutingTable::explain(std::string_view domain, bool local) const {
    if (stays(domain, local)) return {"local: a domain of the directory", "next hop the store"};
    const std::vector<const DomainRule*> rules = matching(domain);
    std::vector<std::string> lines;
    const auto from = [&](auto field) -> std::string {
        for (const DomainRule* rule : rules) {
            if (rule->*field) return "rule \"" + rule->pattern + "\"";
        }
        return "default";
    };
    const Route r = route(domain);
    if (rules.empty()) lines.emplace_back("no rule matches: defaults");
    for (const DomainRule* rule : rules) lines.push_back("rule \"" + rule->pattern + "\" matches");
    std::string way = "default";
    for (const DomainRule* rule : rules) {
        if (!chooses_way(*rule)) continue;
        way = "rule \"" + rule->pattern + "\"";
        break;
    }
    std::string rate = "unlimited";
    if (r.rate.per_second > 0) {
        rate = std::to_string(r.rate.per_second) + "/s, burst " + std::to_string(r.rate.burst);
    }
    lines.push_back("next hop " + r.next_hop() + (r.protocol == Protocol::lmtp ? " by LMTP" : "") + " (" + way +
                    ")");
    lines.push_back("tls " + std::string(name(r.tls)) + " (" + from(&DomainRule::tls) + ")");
    if (r.accept_invalid_certs) {
        lines.push_back("SECURITY WARNING: invalid certificates are accepted (" +
                        from(&DomainRule::accept_invalid_certs) + ")");
    }
    lines.push_back("rate " + rate + " (" + from(&DomainRule::messages_per_second) + ")");
    lines.push_back("connections " + std::to_string(r.max_connections) + " (" + from(&DomainRule::max_connections) +
                    "), recipients a transaction " + std::to_string(r.max_recipients) + " (" +
                    from(&DomainRule::max_recipients) + ")");
    return lines;
}

}  // namespace posthorn::policy
