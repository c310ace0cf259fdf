// What the sessions of the reader share, and what readers/common is to know of POP3.
#pragma once

#include "proto/pop3/server_session.hpp"
#include "readers/common/session.hpp"
#include "readers/pop3/config.hpp"
#include "readers/pop3/locks.hpp"

namespace posthorn::pop3 {

class Session;

// Any thread.
struct Counters {
    explicit Counters(base::Metrics& metrics);

    base::Counter& retrieved;
    base::Counter& retrieved_bytes;
    base::Counter& deleted;
};

struct Shared : readers::Shared {
    Shared(net::LoopGroup& loops, base::Metrics& metrics)
        : readers::Shared(loops, metrics, "pop3", "POP3"), counters(metrics) {}

    Counters counters;
    std::shared_ptr<Locks> locks = std::make_shared<Locks>();
};

struct Protocol {
    using Machine = ServerSession;
    using Action = ServerAction;
    using Options = ServerOptions;
    using Limits = Pop3Config;
    using Shared = pop3::Shared;
    using Session = pop3::Session;
    static constexpr std::string_view name = "pop3";
    static constexpr std::string_view too_many = "-ERR [SYS/TEMP] Too many connections, try again later\r\n";
    static constexpr auto password_command = &ServerOptions::user_pass;
    static ServerOptions options(const Pop3Config& limits);
};

}  // namespace posthorn::pop3
