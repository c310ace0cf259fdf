// The control socket (docs/control-protocol.md): a thin driver over control/protocol/. Few connections, each with
// one frame in and one answer out at a time; who may do what is known from the peer's uid.
#pragma once

#include <memory>

#include "base/metrics.hpp"
#include "control/handlers.hpp"
#include "control/permissions.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"

namespace posthorn::control {

inline constexpr std::size_t kMaxConnections = 32;

class Server {
public:
    // `listener` is a bound Unix socket; `loops` (the admin loop) and what the handlers use outlive the server. A command
    // that takes longer than `sign_of_life` tells so, again and again: any, also one whose result is no list.
    Server(net::LoopGroup& loops, std::unique_ptr<net::Listener> listener, Handlers handlers,
           Permissions permissions, base::Metrics& metrics, LongHandlers long_handlers = {},
           base::Duration sign_of_life = kSignOfLife);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void start();
    // From each connection's next command on. Any thread.
    void permit(Permissions permissions);
    // Stops accepting; conversations under way end with their next request or with the loop. Any thread.
    void stop();

private:
    struct State;
    std::shared_ptr<State> state_;
    std::unique_ptr<net::Listener> listener_;
    net::LoopGroup& loops_;
};

}  // namespace posthorn::control
