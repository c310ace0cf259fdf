// What the sessions of the reader share, and what readers/common is to know of IMAP.
#pragma once

#include "proto/imap/server_session.hpp"
#include "readers/common/session.hpp"
#include "readers/imap/config.hpp"

namespace posthorn::imap {

class Session;

// Any thread.
struct Counters {
    explicit Counters(base::Metrics& metrics);

    base::Counter& commands;
    base::Counter& appended;
};

struct Shared : readers::Shared {
    Shared(net::LoopGroup& loops, base::Metrics& metrics)
        : readers::Shared(loops, metrics, "imap", "IMAP"), counters(metrics) {}

    Counters counters;
};

struct Protocol {
    using Machine = ServerSession;
    using Action = ServerAction;
    using Options = ServerOptions;
    using Limits = ImapConfig;
    using Shared = imap::Shared;
    using Session = imap::Session;
    static constexpr std::string_view name = "imap";
    static constexpr std::string_view too_many = "* BYE [UNAVAILABLE] Too many connections, try again later\r\n";
    static constexpr auto password_command = &ServerOptions::login_command;
    static ServerOptions options(const ImapConfig& limits);
};

}  // namespace posthorn::imap
