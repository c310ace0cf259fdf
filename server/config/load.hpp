// From a file (or none) to a Config that holds together.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "server/config/config.hpp"

namespace posthorn::server {

// All that is wrong, "file:line:column: what" a line each.
struct ConfigErrors {
    std::string text;
};

inline constexpr std::string_view kSystemConfig = "/etc/posthorn/posthorn.toml";
inline constexpr std::size_t kMaxConfigFile = 4U << 20U;

// `path` empty: for root the system's file where it exists, else embedded defaults. `machine`: the hostname where none is
// configured; "" asks the system for it, which may wait for a resolver.
std::expected<Config, ConfigErrors> load_config(const std::string& path, const std::string& machine = {});

// `file` is for the messages. Starts from default_config().
std::expected<Config, ConfigErrors> parse_config(std::string_view text, const std::string& file,
                                                 const std::string& machine = {});

// The commented reference: every key with its default.
std::string print_config();

}  // namespace posthorn::server
