// Real loops, a listener on a free port and a connector, for the tests that need sockets.
#pragma once

#include <doctest/doctest.h>
#include <deque>
#include <future>
#include <mutex>
#include <string>

#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/stream.hpp"

namespace posthorn::net::testing {

using namespace std::chrono_literals;

inline base::SteadyTime soon(Loop& loop) { return loop.now() + 20s; }

class RealNet {
public:
    using Serve = Task<> (*)(std::shared_ptr<Stream> stream);

    explicit RealNet(std::size_t threads = 2, const std::string& at = "127.0.0.1:0")
        : loops(make_loops(threads)), connector(make_connector()) {
        auto bound = bind_listener(parse_endpoint(at).value());
        REQUIRE(bound);
        listener = std::move(*bound);
        loops->start();
    }
    ~RealNet() { loops->stop(); }

    // Each connection is served by `serve` on its loop.
    void serve(Serve session) {
        listener->start(*loops, [session](Loop& on, std::unique_ptr<Stream> stream) {
            spawn(on, "serve", session(std::shared_ptr<Stream>(std::move(stream))));
        });
    }

    Loop& loop() { return loops->at(0); }

    void run(Task<> task) {
        std::promise<void> ended;
        spawn(loop(), "test", std::move(task), [&ended] { ended.set_value(); });
        ended.get_future().get();
    }

    std::unique_ptr<LoopGroup> loops;
    std::unique_ptr<Connector> connector;
    std::unique_ptr<Listener> listener;
};

inline Task<std::unique_ptr<Stream>> dial(RealNet* net) {
    auto stream = co_await net->connector->connect(net->loop(), net->listener->local(), soon(net->loop()));
    REQUIRE(stream);
    co_return std::move(*stream);
}

// Until `size` bytes or the end.
inline Task<std::string> read_exactly(Stream* stream, std::size_t size) {
    std::string all(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        const auto got =
            co_await stream->read_some(std::span(all.data() + have, size - have), soon(stream->loop()));
        if (!got.ok()) break;
        have += got.size;
    }
    all.resize(have);
    co_return all;
}

}  // namespace posthorn::net::testing
