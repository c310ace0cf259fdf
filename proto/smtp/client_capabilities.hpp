// What a server's answer to EHLO or LHLO offers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/smtp/reply_parser.hpp"

namespace posthorn::smtp {

struct Capabilities {
    bool pipelining = false;      // RFC 2920
    bool starttls = false;        // RFC 3207
    bool eight_bit_mime = false;  // RFC 6152
    bool chunking = false;        // RFC 3030
    bool binary_mime = false;     // RFC 3030; means nothing without chunking
    bool smtputf8 = false;        // RFC 6531
    bool dsn = false;             // RFC 3461
    bool size = false;            // RFC 1870
    bool trace = false;           // XTRACE, of our own nodes
    std::uint64_t max_size = 0;   // 0: no fixed limit
    bool auth_plain = false;      // RFC 4954
    bool auth_login = false;
    std::uint32_t max_recipients = 0;  // RFC 9422: LIMITS RCPTMAX; 0: not said
    std::uint32_t max_messages = 0;    // MAILMAX
    bool one_domain = false;           // RCPTDOMAINMAX=1
};

// From a positive reply to EHLO; keywords it does not know, and parameters that make no sense, count for nothing.
Capabilities parse_capabilities(const RemoteReply& reply);

}  // namespace posthorn::smtp
