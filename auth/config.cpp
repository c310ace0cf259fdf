#include "auth/config.hpp"

#include <algorithm>

#include "mail/address.hpp"

namespace posthorn::auth {
namespace {

using namespace base::config;
using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

Codec<BackendKind> backend() {
    std::vector<std::pair<std::string, BackendKind>> names;
    for (const auto kind : {BackendKind::embedded, BackendKind::file}) names.emplace_back(name(kind), kind);
    return choice<BackendKind>(std::move(names));
}

Table<FileConfig> file_table() {
    return Table<FileConfig>("Accounts and aliases in a file of lines, as passwd(5) is one: see docs/accounts.md.")
        .key("path", &FileConfig::path, text(), "The file; read again when it changes.");
}

void check_backends(const Config& config, const Report& report) {
    if (config.backends.empty()) report("backends", "is empty: nobody could be found");
    for (auto at = config.backends.begin(); at != config.backends.end(); ++at) {
        if (std::find(std::next(at), config.backends.end(), *at) != config.backends.end())
            report("backends", "names " + quoted(name(*at)) + " twice");
    }
    const bool file = std::ranges::find(config.backends, BackendKind::file) != config.backends.end();
    if (file && !config.file.path.starts_with('/'))
        report("file", "needs an absolute path for the backend \"file\"");
}

}  // namespace

std::string_view name(BackendKind kind) {
    switch (kind) {
        case BackendKind::embedded: return "embedded";
        case BackendKind::file: return "file";
    }
    return "embedded";
}

Table<Config> config_table() {
    return Table<Config>("Domains, accounts, and how one proves to be one of them.")
        .key("backends", &Config::backends, list(backend()),
             "Where accounts are looked for, in this order; \"embedded\" is what mailctl keeps in data_dir.")
        .key("default_domain", &Config::default_domain, text(),
             "Domain of user names that have none; empty: server.hostname.")
        .key("separator", &Config::separator, text(),
             "Mail for user+tag goes to user, if nobody has that very name; empty: no such tags.")
        .key(
            "argon2_memory", [](Config& c) -> auto& { return c.cost.memory; },
            size<std::uint64_t>({8 * 1024, 4096 * kMiB}),
            "Memory one password hash takes; what is stored with less is hashed again at the next login.")
        .key(
            "argon2_passes", [](Config& c) -> auto& { return c.cost.passes; }, integer<std::uint32_t>({1, 100}),
            "Passes over that memory.")
        .key(
            "scram_iterations", [](Config& c) -> auto& { return c.cost.scram_iterations; },
            integer<std::uint32_t>({4096, 10'000'000}), "Iterations of new SCRAM verifiers.")
        .key("hash_threads", &Config::hash_threads, integer<std::uint32_t>({0, 256}),
             "Passwords hashed side by side; 0: half the cores, at least one.")
        .key("hash_queue", &Config::hash_queue, integer<std::uint32_t>({1, 100'000}),
             "Logins that wait for that; beyond it they are told to come again.")
        .key("failure_delay", &Config::failure_delay, duration({0s, 1min}),
             "A wrong password is answered so long after it came.")
        .key(
            "client_failures", [](Config& c) -> auto& { return c.throttle.per_client; },
            integer<std::uint32_t>({0, 1'000'000}),
            "Failures of one address (IPv6: /64) within failure_window; then it waits; 0: any number.")
        .key(
            "account_failures", [](Config& c) -> auto& { return c.throttle.per_account; },
            integer<std::uint32_t>({0, 1'000'000}),
            "The same for one account, from addresses that have not logged into it for a week; 0: any number.")
        .key(
            "failure_window", [](Config& c) -> auto& { return c.throttle.window; }, duration({1s, 7 * 24h}),
            "In which those failures are forgotten, one after the other.")
        .section("file", &Config::file, file_table())
        .check([](const Config& config, const Report& report) {
            check_backends(config, report);
            if (!config.default_domain.empty() && !mail::valid_domain(config.default_domain))
                report("default_domain", "is not a domain");
            if (config.separator.find_first_of("@ \"") != std::string::npos)
                report("separator", "cannot stand in an address");
        });
}

}  // namespace posthorn::auth
