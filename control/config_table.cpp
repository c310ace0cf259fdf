#include "control/config_table.hpp"

#include "base/ascii.hpp"

namespace posthorn::control {
namespace {

using namespace base::config;

Codec<base::Sha256> sha256_sum() {
    return parsed<base::Sha256>(
        "a SHA-256 sum",
        [](std::string_view given) -> std::expected<base::Sha256, std::string> {
            base::Sha256 sum{};
            if (given.size() != 2 * sum.size()) return std::unexpected("it does not have 64 hexadecimal digits");
            for (std::size_t i = 0; i < sum.size(); ++i) {
                const int high = base::hex_digit(given[2 * i]);
                const int low = base::hex_digit(given[2 * i + 1]);
                if (high < 0 || low < 0) return std::unexpected("it does not have 64 hexadecimal digits");
                sum[i] = static_cast<unsigned char>(high * 16 + low);
            }
            return sum;
        },
        [](const base::Sha256& sum) { return base::hex(sum); });
}

Table<TokenConfig> token_table() {
    return Table<TokenConfig>("Who has this token may do that.", Applies::at_reload)
        .key("sha256", &TokenConfig::sha256, sha256_sum(),
             "The token's sum; `mailctl token new` makes a token and tells both.")
        .key("role", &TokenConfig::role, choice<Role>({{"read", Role::read}, {"admin", Role::write}}),
             "What it is good for: to look, or for every command.")
        .check([](const TokenConfig& token, const Report& report) {
            if (token.sha256 == base::Sha256{}) report("sha256", "is missing");
        });
}

Table<AuthConfig> auth_table() {
    return Table<AuthConfig>("Tokens that are asked for beside the user: both must allow a command.",
                             Applies::at_reload)
        .key("enabled", &AuthConfig::enabled, flag(), "Whether a token is asked for.")
        .tables("tokens", &AuthConfig::tokens, token_table())
        .check([](const AuthConfig& auth, const Report& report) {
            if (auth.enabled && auth.tokens.empty())
                report("enabled", "needs a token, or nobody could do anything");
        });
}

}  // namespace

Table<Config> config_table() {
    return Table<Config>("The socket that mailctl talks to.")
        .key("socket", &Config::socket, text(), "Its path; empty: control.sock in server.runtime_dir.")
        .key("mode", &Config::mode, base::config::mode(), "Its permissions.")
        .key("group", &Config::group, text(), "Its group; empty: ours.")
        .key("write_users", &Config::write_users, list(text()),
             "Users (names or uids) that may use every command, besides root and our own.", Applies::at_reload)
        .key("read_users", &Config::read_users, list(text()), "Users that may look.", Applies::at_reload)
        .key("write_groups", &Config::write_groups, list(text()),
             "Groups (names or gids) whose members may use every command.", Applies::at_reload)
        .key("read_groups", &Config::read_groups, list(text()), "Groups whose members may look.",
             Applies::at_reload)
        .section("auth", &Config::auth, auth_table());
}

}  // namespace posthorn::control
