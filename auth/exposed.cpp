#include "auth/exposed.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "net/address.hpp"

namespace posthorn::auth {
namespace {

bool here(std::string_view host) {
    if (host.empty() || host.starts_with('/') || base::iequals(host, "localhost")) return true;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto ip = net::IpAddress::parse(std::string(host));
    return ip && ip->unmapped().loopback();
}

// Of "ldap://host:389/…"; several may stand there, with spaces between.
bool plain_ldap(std::string_view urls) {
    constexpr std::string_view kScheme = "ldap://";
    while (!urls.empty()) {
        const auto space = std::min(urls.find(' '), urls.size());
        auto url = urls.substr(0, space);
        urls.remove_prefix(std::min(space + 1, urls.size()));
        if (url.size() < kScheme.size() || !base::iequals(url.substr(0, kScheme.size()), kScheme)) continue;
        url.remove_prefix(kScheme.size());
        url = url.substr(0, url.find('/'));
        const auto end = url.starts_with('[') ? url.find(']') : std::string_view::npos;
        const auto host = end != std::string_view::npos ? url.substr(0, end + 1) : url.substr(0, url.find(':'));
        if (!here(host)) return true;
    }
    return false;
}

}  // namespace

std::vector<std::string> exposed_backends(const Config& config) {
    std::vector<std::string> out;
    const auto used = [&](BackendKind kind) {
        return std::ranges::find(config.backends, kind) != config.backends.end();
    };
    if (used(BackendKind::sql) && config.sql.engine != SqlEngine::sqlite && !config.sql.verify_tls &&
        !here(config.sql.host))
        out.push_back("auth.sql asks " + config.sql.host +
                      " without TLS that is sure: who is between reads hashes and may tell us who is who; set "
                      "verify_tls = true");
    if (used(BackendKind::ldap) && !config.ldap.starttls && plain_ldap(config.ldap.url))
        out.push_back("auth.ldap asks " + config.ldap.url +
                      " without TLS: passwords pass in the clear; set starttls = true, or use ldaps://");
    return out;
}

}  // namespace posthorn::auth
