#include "ctl/places.hpp"

#include <fmt/format.h>
#include <sys/auxv.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>

namespace posthorn::ctl {
namespace {

constexpr auto kSystemConfig = "/etc/posthorn/posthorn.toml";
const Places kSystem{"/var/spool/posthorn", "/run/posthorn"};

// Two keys of [server]; what else stands there, and whether it is right, is the server's to say.
std::expected<Places, std::string> read_config(const std::string& path) {
    std::ifstream in(path);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (in.bad() || !in.is_open()) return std::unexpected(fmt::format("cannot read {}", path));
    try {
        const auto document = toml::parse(text, path);
        return Places{document["server"]["spool_dir"].value_or(kSystem.spool_dir),
                      document["server"]["runtime_dir"].value_or(kSystem.runtime_dir)};
    } catch (const toml::parse_error& e) {
        return std::unexpected(fmt::format("{}:{}: {}", path, e.source().begin.line, e.description()));
    }
}

std::string environment(const char* name) {
    const char* value = ::secure_getenv(name);
    return value != nullptr ? value : "";
}

// As the server's embedded defaults have it.
std::optional<Places> users_own() {
    std::string data = environment("XDG_DATA_HOME");
    if (data.empty() && !environment("HOME").empty()) data = environment("HOME") + "/.local/share";
    if (data.empty()) return std::nullopt;
    data += "/posthorn";
    const auto runtime = environment("XDG_RUNTIME_DIR");
    return Places{data + "/spool", runtime.empty() ? data + "/run" : runtime + "/posthorn"};
}

}  // namespace

std::expected<std::vector<Places>, std::string> find_places(const std::string& config) {
    if (!config.empty()) {
        if (::getauxval(AT_SECURE) != 0) return std::unexpected("-C is not allowed here");
        auto places = read_config(config);
        if (!places) return std::unexpected(places.error());
        return std::vector{*std::move(places)};
    }
    const auto spool = environment("POSTHORN_SPOOL_DIR");
    const auto runtime = environment("POSTHORN_RUNTIME_DIR");
    if (!spool.empty() || !runtime.empty()) return std::vector{Places{spool, runtime}};
    std::vector<Places> out;
    if (::access(kSystemConfig, R_OK) == 0) {
        auto places = read_config(kSystemConfig);
        if (!places) return std::unexpected(places.error());
        out.push_back(*std::move(places));
    }
    out.push_back(kSystem);
    if (auto own = users_own()) out.push_back(*std::move(own));
    return out;
}

}  // namespace posthorn::ctl
