#include "readers/imap/config_table.hpp"

#include "readers/common/config_table.hpp"

namespace posthorn::imap {

using namespace base::config;
using namespace std::chrono_literals;

Table<ImapConfig> imap_config_table() {
    using C = ImapConfig;
    return Table<C>("Reading mail by IMAP (listeners with protocol = \"imap\").", Applies::at_reload)
        .include([](C& config) -> readers::Limits& { return config; },
                 readers::limits_table("Commands in a row that are none",
                                       "and in IDLE: RFC 9051 asks for thirty minutes."))
        .key("command", &C::command, duration({1s, 24h}),
             "How long it may take for the rest of a command that has begun.")
        .key("append_limit", &C::append_limit, size<std::uint64_t>({1024, UINT64_MAX}),
             "The largest message a client may store.");
}

}  // namespace posthorn::imap
