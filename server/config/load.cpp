#include "server/config/load.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/config/reference.hpp"
#include "delivery/overrides.hpp"
#include "mail/address.hpp"
#include "server/config/toml.hpp"

namespace posthorn::server {
namespace {

using base::config::Problems;

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

// A machine (or container) without IPv6 has no such interface list, or an empty one.
bool have_ipv6() { return std::ifstream("/proc/net/if_inet6").peek() != std::ifstream::traits_type::eof(); }

// XDG base directories, each with the user's home as fallback.
std::string user_data_dir() {
    if (auto dir = environment("XDG_DATA_HOME"); dir.starts_with('/')) return dir + "/posthorn";
    if (auto home = environment("HOME"); home.starts_with('/')) return home + "/.local/share/posthorn";
    return "/tmp/posthorn-" + std::to_string(::geteuid());
}

// The machine's fully qualified name as resolvers know it; else its bare name.
std::string machine_name() {
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0 || buffer[0] == '\0') return "localhost";
    std::string name(buffer.data());
    if (name.find('.') == std::string::npos) {
        addrinfo hints{};
        hints.ai_flags = AI_CANONNAME;
        addrinfo* found = nullptr;
        if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) == 0) {
            if (found != nullptr && found->ai_canonname != nullptr) name = found->ai_canonname;
            ::freeaddrinfo(found);
        }
    }
    return mail::valid_domain(name) ? name : "localhost";
}

net::Endpoint any(std::uint16_t port) { return {.ip = {.v6 = true}, .port = port}; }
net::Endpoint loopback(std::uint16_t port) { return {.ip = {.bytes = {127, 0, 0, 1}}, .port = port}; }
net::Endpoint loopback6(std::uint16_t port) {
    net::IpAddress ip{.v6 = true};
    ip.bytes[15] = 1;
    return {.ip = ip, .port = port};
}

ListenerSection door(const net::Endpoint& at, const mta::SmtpConfig& smtp) {
    ListenerSection out;
    out.listener.address = at;
    out.listener.smtp = smtp;
    return out;
}

constexpr std::uint16_t kSmtpPort = 25;
constexpr std::uint16_t kUnprivilegedSmtpPort = 2525;

// What one key's default takes from another's value.
void finish(Config& config, const std::string& machine) {
    if (config.server.hostname.empty()) config.server.hostname = machine.empty() ? machine_name() : machine;
    if (config.control.socket.empty()) config.control.socket = config.server.runtime_dir + "/control.sock";
    // A file without listeners has the default one, with what [smtp] says.
    if (config.listeners.empty()) config.listeners.push_back(door(any(kSmtpPort), config.smtp));
    config.spool.directory = config.server.spool_dir;
    config.history.directory = config.server.data_dir + "/history";
    auto& delivery = config.delivery;
    delivery.hostname = config.server.hostname;
    delivery.state_dir = config.server.spool_dir;
    if (delivery.dsn.reporting_mta.empty()) delivery.dsn.reporting_mta = delivery.hostname;
    if (delivery.dsn.postmaster.empty()) delivery.dsn.postmaster = "postmaster@" + delivery.dsn.reporting_mta;
    config.auth.database = config.server.data_dir + "/directory.sqlite";
    config.auth.postmaster = delivery.dsn.postmaster;
    if (config.auth.default_domain.empty()) config.auth.default_domain = config.server.hostname;
    config.store.directory = config.server.data_dir + "/data";
    for (auto& rule : delivery.routing.rules) rule.pattern = delivery::override_pattern(rule.pattern);
}

std::expected<std::string, ConfigErrors> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes;
    if (in) {
        bytes.resize(kMaxConfigFile + 1);
        in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        bytes.resize(static_cast<std::size_t>(in.gcount()));
    }
    if (in.bad() || (!in && !in.eof()))
        return std::unexpected(ConfigErrors{path + ": " + std::strerror(errno) + "\n"});
    if (bytes.size() > kMaxConfigFile)
        return std::unexpected(ConfigErrors{path + ": too large to be a configuration\n"});
    return bytes;
}

}  // namespace

Config default_config() {
    Config config;
    config.listeners.push_back(door(any(kSmtpPort), config.smtp));
    return config;
}

Config embedded_config(const std::string& machine) {
    Config config;
    const auto data = user_data_dir();
    config.server.data_dir = data;
    config.server.spool_dir = data + "/spool";
    const auto runtime = environment("XDG_RUNTIME_DIR");
    config.server.runtime_dir = runtime.starts_with('/') ? runtime + "/posthorn" : data + "/run";
    config.listeners.push_back(door(loopback(kUnprivilegedSmtpPort), config.smtp));
    if (have_ipv6())
        config.listeners.push_back(door(loopback6(kUnprivilegedSmtpPort), config.smtp));
    else
        config.health.listen_address.ip = {};  // 0.0.0.0
    finish(config, machine);
    return config;
}

std::expected<Config, ConfigErrors> parse_config(std::string_view text, const std::string& file,
                                                 const std::string& machine) {
    Problems problems;
    Config config;
    config.path = file;
    if (const auto document = parse_toml(text, problems)) config_table().read(*document, config, problems);
    if (!problems.empty()) return std::unexpected(ConfigErrors{problems.text(file)});
    finish(config, machine);
    return config;
}

std::expected<Config, ConfigErrors> load_config(const std::string& path, const std::string& machine) {
    std::string file = path;
    if (file.empty()) {
        if (::geteuid() != 0 || ::access(std::string(kSystemConfig).c_str(), F_OK) != 0)
            return embedded_config(machine);
        file = kSystemConfig;
    }
    const auto bytes = read_file(file);
    if (!bytes) return std::unexpected(bytes.error());
    return parse_config(*bytes, file, machine);
}

std::string print_config() {
    return "# Posthorn's configuration: every key with its default. Durations are strings with a unit (ms, s, m, "
           "h, d, w),\n"
           "# sizes with B, KiB, MiB, GiB. A secret may be { env = \"NAME\" } or { file = \"path\" }.\n"
           "# What changes holds after `systemctl reload posthorn` (SIGHUP), but for keys that say otherwise.\n\n" +
           base::config::reference(config_table(), default_config());
}

}  // namespace posthorn::server
