// A receiver under a virtual clock, and clients that talk to it through memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/metrics.hpp"
#include "mail/event.hpp"
#include "mta/receiver.hpp"
#include "net/sim_loop.hpp"
#include "scripted_queue.hpp"
#include "tests/support/line_client.hpp"

namespace posthorn::testing {

class Recorder final : public mail::EventSink {
public:
    void record(const mail::Event& event) override { events.push_back(event); }
    const mail::Event* find(mail::EventKind kind) const {
        for (const auto& event : events) {
            if (event.kind == kind) return &event;
        }
        return nullptr;
    }
    std::size_t count(mail::EventKind kind) const {
        std::size_t n = 0;
        for (const auto& event : events) n += event.kind == kind ? 1U : 0U;
        return n;
    }
    std::vector<mail::Event> events;
};

struct Fixture {
    explicit Fixture(mta::Services services = {}) {
        config.hostname = "mx.example.org";
        config.tls = std::make_shared<AnyTls>();
        receiver.start(queue, services);
        listener.address = net::Endpoint{*net::IpAddress::parse("::"), 25, {}};
    }
    // What waits is unwound while the parts it refers to stand.
    ~Fixture() { loops.stop(); }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    std::unique_ptr<LineClient> connect(const char* ip = "127.0.0.1") {
        const net::Endpoint client{*net::IpAddress::parse(ip), 40'000, {}};
        const net::Endpoint server{*net::IpAddress::parse("192.0.2.1"), 25, {}};
        auto pair = make_stream_pair(loops.at(0), client, server);
        auto out = std::make_unique<LineClient>(loops.at(0), std::move(pair.client));
        receiver.serve(std::move(pair.server), listener, config);
        loops.run_until_idle();
        return out;
    }

    std::string say(LineClient& client, std::string bytes) {
        client.send(std::move(bytes));
        loops.run_until_idle();
        return client.heard();
    }

    std::unique_ptr<LineClient> greeted(const char* ip = "127.0.0.1") {
        auto client = connect(ip);
        say(*client, "EHLO client.example\r\n");
        return client;
    }

    net::SimLoops loops;
    ScriptedQueue queue;
    Recorder events;
    base::Metrics metrics;
    mta::Config config;
    mta::ListenerConfig listener;
    mta::Receiver receiver{loops, events, metrics};
};

inline const std::string kEnvelope = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n";
inline const std::string kMessage = "Message-ID: <1@example.org>\r\nSubject: x\r\n\r\nhello\r\n";

}  // namespace posthorn::testing
