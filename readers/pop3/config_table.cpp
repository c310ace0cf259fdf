#include "readers/pop3/config_table.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "readers/common/config_table.hpp"

namespace posthorn::pop3 {

using namespace base::config;

Table<Pop3Config> pop3_config_table() {
    using C = Pop3Config;
    return Table<C>("Reading mail by POP3 (listeners with protocol = \"pop3\").", Applies::at_reload)
        .include([](C& config) -> readers::Limits& { return config; },
                 readers::limits_table("Commands that are none", "RFC 1939 asks for ten minutes."))
        .key("login_delay", &C::login_delay, integer<std::uint32_t>({0, 86'400}),
             "Seconds between two sessions of one account; 0: none.")
        .key("expire", &C::expire, text(), "How long mail is kept, as CAPA tells it: NEVER, or days.")
        .key("mark_seen", &C::mark_seen, flag(), "Whether what was retrieved is marked as seen for IMAP.")
        .check([](const C& config, const Report& report) {
            const bool days = !config.expire.empty() &&
                              std::ranges::all_of(config.expire, [](char c) { return base::is_digit(c); });
            if (config.expire != "NEVER" && !days) report("expire", R"(is neither "NEVER" nor a number of days)");
        });
}

}  // namespace posthorn::pop3
