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
#include "tests/support/memory_stream.hpp"

namespace posthorn::testing {

struct AnyTls final : net::TlsServerContext {};
struct AnyClientTls final : net::TlsClientContext {};

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

// One end of a connection; what arrives collects in `heard`.
class SimClient {
public:
    SimClient(net::Loop& loop, std::unique_ptr<MemoryStream> stream)
        : loop_(loop), state_(std::make_shared<State>()) {
        state_->stream = std::move(stream);
        net::spawn(loop_, "client reads", listen(state_));
    }
    ~SimClient() { state_->stream->close(); }
    SimClient(const SimClient&) = delete;

    void send(std::string bytes) { net::spawn(loop_, "client writes", speak(state_, std::move(bytes))); }
    void start_tls() { net::spawn(loop_, "client handshake", secure(state_)); }
    void vanish() { state_->stream->cut(); }
    void stop_listening() { state_->deaf = true; }
    // What came since the last call.
    std::string heard() { return std::exchange(state_->heard, {}); }
    bool closed() const { return state_->closed; }
    MemoryStream& stream() { return *state_->stream; }

private:
    struct State {
        std::unique_ptr<MemoryStream> stream;
        std::string heard;
        bool closed = false;
        bool deaf = false;
        bool handshake = false;
    };
    static constexpr base::SteadyTime kNever = base::SteadyTime::max();

    static net::Task<> listen(std::shared_ptr<State> state) {
        std::string buffer(4096, '\0');
        while (!state->deaf) {
            const auto result = co_await state->stream->read_some(buffer, kNever);
            if (!result.ok()) {
                state->closed = true;
                co_return;
            }
            state->heard.append(buffer, 0, result.size);
            if (state->handshake) co_return;
        }
    }
    static net::Task<> speak(std::shared_ptr<State> state, std::string bytes) {
        const auto result = co_await state->stream->write(bytes, kNever);
        static_cast<void>(result);
    }
    // The reader must not be in the way: it ends with the 220 it is told to wait for.
    static net::Task<> secure(std::shared_ptr<State> state) {
        state->handshake = true;
        const std::string command = "STARTTLS\r\n";
        const auto written = co_await state->stream->write(command, kNever);
        static_cast<void>(written);
        auto& loop = state->stream->loop();
        while (state->heard.empty()) co_await net::yield(loop);
        std::shared_ptr<const net::TlsClientContext> context = std::make_shared<AnyClientTls>();
        const auto info = co_await state->stream->start_tls(context, "mx.example.org", kNever);
        state->handshake = false;
        if (info) co_await listen(state);
        state->closed = true;
    }

    net::Loop& loop_;
    std::shared_ptr<State> state_;
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

    std::unique_ptr<SimClient> connect(const char* ip = "127.0.0.1") {
        const net::Endpoint client{*net::IpAddress::parse(ip), 40'000, {}};
        const net::Endpoint server{*net::IpAddress::parse("192.0.2.1"), 25, {}};
        auto pair = make_stream_pair(loops.at(0), client, server);
        auto out = std::make_unique<SimClient>(loops.at(0), std::move(pair.client));
        receiver.serve(std::move(pair.server), listener, config);
        loops.run_until_idle();
        return out;
    }

    std::string say(SimClient& client, std::string bytes) {
        client.send(std::move(bytes));
        loops.run_until_idle();
        return client.heard();
    }

    std::unique_ptr<SimClient> greeted(const char* ip = "127.0.0.1") {
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
