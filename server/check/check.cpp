#include "server/check/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "auth/local_domains.hpp"
#include "server/check/checks.hpp"
#include "server/config/load.hpp"

namespace posthorn::server {
namespace {

std::string tls_file(const Config& config) {
    return config.tls.certificate.empty() ? config.server.data_dir + "/tls/self-signed.pem"
                                          : config.tls.certificate;
}

std::vector<Finding> check_config(const std::expected<Config, ConfigErrors>& config) {
    Findings out("config");
    if (config) {
        out.ok(config->path.empty() ? "no file: embedded defaults" : config->path + " can be read");
        return out.take();
    }
    std::string_view left = config.error().text;
    while (!left.empty()) {
        const auto end = std::min(left.find('\n'), left.size());
        out.wrong(std::string(left.substr(0, end)), "change it; posthornd --print-config shows every key");
        left.remove_prefix(std::min(end + 1, left.size()));
    }
    return out.take();
}

}  // namespace

std::vector<std::string> own_domains(const Config& config, std::vector<std::string> local) {
    auto out = std::move(local);
    const auto add = [&out](const std::vector<std::string>& domains) {
        for (const auto& domain : domains) {
            auto key = mail::domain_key(domain);
            if (!key.empty() && domain.find('*') == std::string::npos) out.push_back(std::move(key));
        }
    };
    add(config.smtp.relay_domains);
    for (const auto& section : config.listeners) add(section.listener.smtp.relay_domains);
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    return out;
}

std::vector<Finding> check_all(const Options& options) {
    const auto config = load_config(options.config);
    auto out = check_config(config);
    if (!config) return out;
    const auto add = [&out](std::vector<Finding> more) { std::ranges::move(more, std::back_inserter(out)); };
    const auto running = running_endpoints(*config);
    Findings server("server");
    server.ok(running ? "runs, and answers on " + config->control.socket : "does not run");
    add(server.take());

    base::SystemClock clock;
    const auto disk = base::posix_disk();
    add(check_ports(*config, running));
    add(check_certificate(*config, net::read_certificate(tls_file(*config)), clock.wall()));
    add(check_disk(*config, *disk, clock));
    add(check_clock(clock_state()));
    auto local = auth::read_local_domains(config->auth);
    if (!local) {
        Findings directory("accounts");
        directory.wrong("which domains have accounts here cannot be read: " + local.error().log_text,
                        "run the check as root or as the server's user; else look at the file");
        add(directory.take());
    }
    add(check_dns(*config, own_domains(*config, local ? *std::move(local) : std::vector<std::string>())));
    const auto identity = wanted_identity(config->server);
    add(check_permissions(*config, identity ? *identity : std::nullopt));
    if (!identity) {
        Findings user("permissions");
        user.wrong(identity.error().log_text, "start it as root, or take server.user out");
        add(user.take());
    }
    return out;
}

}  // namespace posthorn::server
