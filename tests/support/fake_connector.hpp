// A network of scripted peers: net::Connector without sockets.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "net/listener.hpp"
#include "net/stream.hpp"
#include "tests/support/memory_stream.hpp"

namespace posthorn::testing {

class FakeConnector final : public net::Connector {
public:
    // Who connects to `at` is met by `on_accept`, which gets the peer's end, on the loop that connects.
    using OnAccept = std::function<void(net::Loop& loop, std::unique_ptr<MemoryStream> stream)>;
    void listen(net::Endpoint at, OnAccept on_accept);
    // Fails at once with this text, as a temporary error. What nobody listens on is refused so.
    void refuse(net::Endpoint at, std::string text = "Connection refused");
    // Never answers: the deadline passes.
    void stall(net::Endpoint at);
    void set_latency(base::Duration latency) { latency_ = latency; }

    using net::Connector::connect;
    net::Task<base::Result<std::unique_ptr<net::Stream>>> connect(net::Loop& loop, net::Endpoint to,
                                                                  base::SteadyTime deadline,
                                                                  std::shared_ptr<net::Cancel> cancel) override;

    const std::vector<net::Endpoint>& attempts() const { return attempts_; }  // in the order made

private:
    struct Peer {
        OnAccept on_accept;
        std::string refusal;
        bool stalls = false;
    };
    std::map<net::Endpoint, Peer> peers_;
    std::vector<net::Endpoint> attempts_;
    base::Duration latency_{};
};

}  // namespace posthorn::testing
