// What the POP3 reader is told by the configuration: plain values, replaced whole on reload; live sessions keep theirs.
#pragma once

#include "readers/common/config.hpp"

namespace posthorn::pop3 {

// [pop3], of all its listeners. `idle` as RFC 1939 §3 has it, `max_errors` are those of a session.
struct Pop3Config : readers::Limits {
    std::uint32_t login_delay = 0;  // seconds an account has to wait between two logins; 0: none
    std::string expire = "NEVER";   // told in CAPA: days, or NEVER
    bool mark_seen = true;          // what was retrieved is \Seen to IMAP
    bool operator==(const Pop3Config&) const = default;
};

using ListenerConfig = readers::ListenerConfig<Pop3Config>;
using Config = readers::Config<Pop3Config>;

}  // namespace posthorn::pop3
