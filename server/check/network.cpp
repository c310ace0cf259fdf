// What others see of us: ports, the certificate, names.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <future>
#include <iterator>

#include "base/fd.hpp"
#include "base/json_value.hpp"
#include "base/units.hpp"
#include "net/listener.hpp"
#include "server/check/checks.hpp"

namespace posthorn::server {
namespace {

using namespace std::chrono_literals;

constexpr auto kExpiresSoon = 14 * 24h;
constexpr std::size_t kMaxDomains = 50;
constexpr auto kLookUpLimit = 60s;

bool answers(const std::string& path) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (path.size() >= sizeof to.sun_path) return false;
    std::memcpy(to.sun_path, path.data(), path.size());
    const base::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // One that we may not use is there, too; a dead one refuses.
    return fd.get() >= 0 &&
           (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 || errno == EACCES);
}

void look_at_port(Findings& out, const net::Endpoint& at, std::string_view what,
                  const std::optional<std::vector<std::string>>& running) {
    const auto shown = fmt::format("{} ({})", at.to_string(), what);
    if (running && std::ranges::find(*running, at.to_string()) != running->end())
        return out.ok(shown + ": our server listens");
    if (!at.unix_path.empty()) return;  // its folder is looked at
    if (at.port == 0) return out.ok(shown + ": the system chooses a port");
    const auto bound = net::bind_listener(at);
    if (bound) return out.ok(shown + ": can be listened on");
    const auto& error = bound.error();
    std::string remedy = "look at what the error says";
    if (error.code == EADDRINUSE)
        remedy = fmt::format("another program has it: ss -lntp 'sport = :{}' names it", at.port);
    else if (error.code == EACCES)
        remedy = "start the server as root with server.user, or give it CAP_NET_BIND_SERVICE";
    else if (error.code == EADDRNOTAVAIL)
        remedy = "this machine has no such address: change the listener's address";
    else if (error.code == EAFNOSUPPORT)
        remedy = "this machine has no IPv6: listen on an IPv4 address";
    out.wrong(fmt::format("{}: {}", shown, error.log_text), std::move(remedy));
}

std::string days(base::Duration d) {
    return fmt::format("{} days", std::chrono::duration_cast<std::chrono::days>(d).count());
}

void look_at_mx(Findings& out, const std::string& domain, const net::MxAnswer& mx, std::string_view hostname) {
    using net::DnsStatus;
    if (mx.status == DnsStatus::nxdomain)
        return out.wrong(domain + " does not exist in DNS", "register it, or take it out of the configuration");
    if (mx.status == DnsStatus::no_data)
        return out.warning(domain + " has no MX record",
                           fmt::format("publish one: {}. MX 10 {}.", domain, hostname));
    if (mx.status != DnsStatus::ok)
        return out.wrong(
            fmt::format("the MX records of {} cannot be found: {} {}", domain, net::name(mx.status), mx.text),
            "look at the resolvers: dns.servers, /etc/resolv.conf");
    std::string hosts;
    bool ours = false;
    for (const auto& record : mx.records) {
        hosts += fmt::format("{}{} {}", hosts.empty() ? "" : ", ", record.preference,
                             record.host.empty() ? "." : record.host);
        ours = ours || record.host == hostname;
    }
    if (mx.records.size() == 1 && mx.records.front().host.empty())
        return out.wrong(domain + " says that it takes no mail (RFC 7505)",
                         "publish MX records that name this server");
    const auto what = fmt::format("{} has MX {}", domain, hosts);
    if (ours) return out.ok(what);
    out.warning(what + ": none of them is " + std::string(hostname),
                "right where another name or a relay leads here; else publish one that names this server");
}

}  // namespace

std::optional<std::vector<std::string>> running_endpoints(const Config& config) {
    if (!answers(config.control.socket)) return std::nullopt;
    std::vector<std::string> out;
    std::ifstream in(config.server.runtime_dir + "/listeners.json");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto json = base::read_json(text);
    const auto* list = json ? (*json)["listeners"].array() : nullptr;
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
        if (const auto* endpoint = (*list)[i]["endpoint"].string()) out.push_back(*endpoint);
    }
    return out;
}

std::vector<Finding> check_ports(const Config& config, const std::optional<std::vector<std::string>>& running) {
    Findings out("ports");
    for (const auto& listener : config.listeners)
        look_at_port(out, listener.listener.address, name(listener.protocol), running);
    if (config.health.enabled) look_at_port(out, config.health.listen_address, "health", running);
    return out.take();
}

std::vector<Finding> check_certificate(const Config& config, const base::Result<net::CertificateInfo>& info,
                                       base::WallTime now) {
    Findings out("certificate");
    const bool own = config.tls.certificate.empty();
    if (!info) {
        if (own && info.error().code == ENOENT)
            out.ok("none is configured: the server makes a self-signed one at its start");
        else
            out.wrong(info.error().log_text, "name the certificate in tls.certificate, readable for the server");
        return out.take();
    }
    const auto until = base::format_time(info->not_after);
    const std::string renew =
        own ? "remove it: the server makes a new one at its start" : "renew it, then mailctl system reload";
    if (info->not_after < now)
        out.wrong(fmt::format("{} has expired {} ago, at {}", info->path, days(now - info->not_after), until),
                  renew);
    else if (info->not_before > now)
        out.wrong(fmt::format("{} is valid from {} only", info->path, base::format_time(info->not_before)),
                  "look at the clock, or wait");
    else if (info->not_after - now < kExpiresSoon)
        out.warning(fmt::format("{} expires in {}, at {}", info->path, days(info->not_after - now), until), renew);
    else
        out.ok(fmt::format("{} is valid until {}", info->path, until));
    if (!info->covers(config.server.hostname))
        out.warning(fmt::format("{} is for {}, not for {}", info->path, fmt::join(info->names, ", "),
                                config.server.hostname),
                    "who verifies our name refuses it: let it be issued for server.hostname");
    if (!own) {
        const auto usable = net::make_tls_server({config.tls.certificate, config.tls.key});
        if (!usable) out.wrong(usable.error().log_text, "tls.key must be the certificate's");
    }
    if (info->self_signed)
        out.warning(info->path + " is self-signed: who verifies refuses it",
                    "get one from a certificate authority and name it in tls.certificate and tls.key");
    return out.take();
}

net::Task<std::vector<Finding>> look_up(net::Loop& loop, net::Resolver& resolver, std::string hostname,
                                        std::vector<std::string> domains) {
    Findings out("dns");
    const net::AddressAnswer own = co_await resolver.addresses(loop, hostname);
    if (own.status == net::DnsStatus::ok) {
        std::string shown;
        for (const auto& ip : own.addresses) shown += (shown.empty() ? "" : ", ") + ip.to_string();
        out.ok(fmt::format("server.hostname {} has the address {}", hostname, shown));
    } else {
        out.warning(
            fmt::format("server.hostname {} cannot be resolved: {} {}", hostname, net::name(own.status), own.text),
            "many servers refuse mail from a name that has no address: publish one, or set server.hostname");
    }
    for (const auto& domain : domains) {
        const net::MxAnswer mx = co_await resolver.mx(loop, domain);
        look_at_mx(out, domain, mx, hostname);
    }
    co_return out.take();
}

namespace {

net::Task<> look_up_all(net::Loop& loop, net::Resolver& resolver, std::string hostname,
                        std::vector<std::string> domains,
                        std::shared_ptr<std::promise<std::vector<Finding>>> into) {
    auto found = co_await look_up(loop, resolver, std::move(hostname), std::move(domains));
    into->set_value(std::move(found));
}

}  // namespace

std::vector<Finding> check_dns(const Config& config, std::vector<std::string> domains) {
    Findings out("dns");
    if (domains.size() > kMaxDomains) {
        out.ok(fmt::format("of {} domains the first {} are looked at", domains.size(), kMaxDomains));
        domains.resize(kMaxDomains);
    }
    const auto loops = net::make_loops(1);
    auto resolver = net::make_resolver(*loops, config.dns);
    if (!resolver) {
        out.wrong(resolver.error().log_text, "look at dns.servers and /etc/resolv.conf");
        return out.take();
    }
    const auto answer = std::make_shared<std::promise<std::vector<Finding>>>();
    auto found = answer->get_future();
    loops->start();
    net::spawn(loops->at(0), "check.dns",
               look_up_all(loops->at(0), **resolver, mail::domain_key(config.server.hostname), std::move(domains),
                           answer));
    const bool in_time = found.wait_for(kLookUpLimit) == std::future_status::ready;
    loops->stop();
    if (!in_time) {
        out.wrong("the resolvers do not answer in time", "look at dns.servers and /etc/resolv.conf");
        return out.take();
    }
    auto all = out.take();
    std::ranges::move(found.get(), std::back_inserter(all));
    return all;
}

}  // namespace posthorn::server
