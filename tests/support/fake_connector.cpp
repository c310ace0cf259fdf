#include "tests/support/fake_connector.hpp"

#include "net/cancel.hpp"

namespace posthorn::testing {

void FakeConnector::listen(net::Endpoint at, OnAccept on_accept) {
    peers_[std::move(at)] = {std::move(on_accept), {}};
}

void FakeConnector::refuse(net::Endpoint at, std::string text) { peers_[std::move(at)] = {{}, std::move(text)}; }

void FakeConnector::stall(net::Endpoint at) { peers_[std::move(at)] = {{}, {}, true}; }

net::Task<base::Result<std::unique_ptr<net::Stream>>> FakeConnector::connect(net::Loop& loop, net::Endpoint to,
                                                                             base::SteadyTime deadline,
                                                                             std::shared_ptr<net::Cancel> cancel) {
    attempts_.push_back(to);
    const auto found = peers_.find(to);
    const Peer peer = found == peers_.end() ? Peer{{}, "Connection refused"} : found->second;
    const auto done = peer.stalls ? deadline : std::min(deadline, loop.now() + latency_);
    const auto what = "connect to " + to.to_string() + ": ";
    const auto ended = std::make_shared<net::Event>(loop);
    if (cancel && !cancel->requested()) {
        cancel->set([ended] { ended->notify_all(); });
        co_await ended->wait(done);
        cancel->set(nullptr);
    } else if (!cancel) {
        co_await net::sleep_until(loop, done);
    }
    if (cancel && cancel->requested())
        co_return base::fail(base::ErrorKind::temporary, what + "cancelled", "4.4.1");
    if (peer.stalls) co_return base::fail(base::ErrorKind::temporary, what + "timed out", "4.4.1");
    if (!peer.on_accept) co_return base::fail(base::ErrorKind::temporary, what + peer.refusal, "4.4.1");
    net::Endpoint here;
    here.ip = *net::IpAddress::parse(to.ip.v6 ? "::1" : "127.0.0.1");
    here.port = 40000;
    auto pair = make_stream_pair(loop, here, to);
    peer.on_accept(loop, std::move(pair.server));
    std::unique_ptr<net::Stream> stream = std::move(pair.client);
    co_return stream;
}

}  // namespace posthorn::testing
