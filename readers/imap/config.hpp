// What the IMAP reader is told by the configuration: plain values, replaced whole on reload; live sessions keep theirs.
#pragma once

#include "readers/common/config.hpp"

namespace posthorn::imap {

// [imap], of all its listeners. `idle` as RFC 9051 §5.4 has it, `max_errors` are BADs in a row.
struct ImapConfig : readers::Limits {
    ImapConfig() {
        max_connections = 10'000;
        idle = std::chrono::minutes(30);
    }
    std::uint64_t append_limit = 50ULL << 20;          // octets of a message (RFC 7889)
    base::Duration command = std::chrono::minutes(5);  // for the rest of a command that has begun
    bool operator==(const ImapConfig&) const = default;
};

using ListenerConfig = readers::ListenerConfig<ImapConfig>;
using Config = readers::Config<ImapConfig>;

}  // namespace posthorn::imap
