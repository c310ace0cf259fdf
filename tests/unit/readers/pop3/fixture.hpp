// The POP3 service over a store in memory under a virtual clock, and clients that talk to it through memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.hpp"
#include "net/sim_loop.hpp"
#include "readers/pop3/service.hpp"
#include "tests/support/fake_provider.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/memory_stream.hpp"

namespace posthorn::testing {

struct AnyTls final : net::TlsServerContext {};
struct AnyClientTls final : net::TlsClientContext {};

class PopClient {
public:
    PopClient(net::Loop& loop, std::unique_ptr<MemoryStream> stream)
        : loop_(loop), state_(std::make_shared<State>()) {
        state_->stream = std::move(stream);
        net::spawn(loop_, "client reads", listen(state_));
    }
    ~PopClient() { state_->stream->close(); }
    PopClient(const PopClient&) = delete;

    void send(std::string bytes) { net::spawn(loop_, "client writes", speak(state_, std::move(bytes))); }
    void stop_listening() { state_->deaf = true; }
    void listen_again() {
        state_->deaf = false;
        net::spawn(loop_, "client reads", listen(state_));
    }
    std::string heard() { return std::exchange(state_->heard, {}); }  // since the last call
    bool closed() const { return state_->closed; }
    MemoryStream& stream() { return *state_->stream; }

private:
    struct State {
        std::unique_ptr<MemoryStream> stream;
        std::string heard;
        bool closed = false;
        bool deaf = false;
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
        }
    }
    static net::Task<> speak(std::shared_ptr<State> state, std::string bytes) {
        const auto result = co_await state->stream->write(bytes, kNever);
        static_cast<void>(result);
    }

    net::Loop& loop_;
    std::shared_ptr<State> state_;
};

struct PopFixture {
    PopFixture() {
        provider.add("ann@example.org", "secret");
        provider.add("bob@example.org", "secret");
        config.hostname = "mx.example.org";
        config.tls = std::make_shared<AnyTls>();
        listener.address = net::Endpoint{*net::IpAddress::parse("::"), 110, {}};
        listener.pop3.plaintext_auth_networks = policy::loopback_networks();
        service.start(provider, store);
    }
    ~PopFixture() { loops.stop(); }
    PopFixture(const PopFixture&) = delete;

    std::unique_ptr<PopClient> connect(const char* ip = "127.0.0.1") {
        const net::Endpoint client{*net::IpAddress::parse(ip), 40'000, {}};
        const net::Endpoint server{*net::IpAddress::parse("192.0.2.1"), 110, {}};
        auto pair = make_stream_pair(loops.at(0), client, server);
        auto out = std::make_unique<PopClient>(loops.at(0), std::move(pair.client));
        service.serve(std::move(pair.server), listener, config);
        loops.run_until_idle();
        return out;
    }
    std::string say(PopClient& client, std::string bytes) {
        client.send(std::move(bytes));
        loops.run_until_idle();
        return client.heard();
    }
    std::unique_ptr<PopClient> in(const char* user = "ann@example.org") {
        auto client = connect();
        client->heard();
        say(*client, std::string("USER ") + user + "\r\nPASS secret\r\n");
        return client;
    }
    // Into the INBOX of ann@example.org.
    void put(std::string text) { REQUIRE(loops.run(append(*this, std::move(text)))); }
    std::vector<std::string> inbox() const { return store.content(ann); }

    static net::Task<> append(PopFixture& f, std::string text) {
        auto& loop = f.loops.at(0);
        const auto box = co_await f.store.mailbox(loop, f.ann, "INBOX");
        if (!box) throw std::logic_error("no INBOX");
        std::vector<store::NewMessage> messages(1);
        messages[0].body = std::make_shared<store::MemorySource>(std::move(text));
        const auto added = co_await f.store.append(loop, f.ann, box->id, std::move(messages), std::nullopt);
        if (!added) throw std::logic_error("not appended");
    }

    mail::AccountName ann{"ann", "example.org"};
    net::SimLoops loops;
    test::MemoryStore store;
    FakeProvider provider;
    base::Metrics metrics;
    pop3::Config config;
    pop3::ListenerConfig listener;
    pop3::Service service{loops, metrics};
};

}  // namespace posthorn::testing
