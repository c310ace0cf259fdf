// A client of a line protocol over a stream in memory: sends what it is told, keeps what it hears.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "net/loop.hpp"
#include "net/tls.hpp"
#include "tests/support/memory_stream.hpp"

namespace posthorn::testing {

struct AnyTls final : net::TlsServerContext {};
struct AnyClientTls final : net::TlsClientContext {};

class LineClient {
public:
    LineClient(net::Loop& loop, std::unique_ptr<MemoryStream> stream)
        : loop_(loop), state_(std::make_shared<State>()) {
        state_->stream = std::move(stream);
        net::spawn(loop_, "client reads", listen(state_));
    }
    ~LineClient() { state_->stream->close(); }
    LineClient(const LineClient&) = delete;

    void send(std::string bytes) { net::spawn(loop_, "client writes", speak(state_, std::move(bytes))); }
    // Says `command` ("STARTTLS\r\n"), and shakes hands when it is answered.
    void start_tls(std::string command) {
        net::spawn(loop_, "client handshake", secure(state_, std::move(command)));
    }
    void vanish() { state_->stream->cut(); }
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

    // The reader must not be in the way: it ends with the answer it is told to wait for.
    static net::Task<> secure(std::shared_ptr<State> state, std::string command) {
        state->handshake = true;
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

}  // namespace posthorn::testing
