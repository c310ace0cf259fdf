// A client of a line protocol over a stream in memory: sends what it is told, keeps what it hears.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "net/loop.hpp"
#include "tests/support/memory_stream.hpp"

namespace posthorn::testing {

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

}  // namespace posthorn::testing
