// One connection of a service, with the session machine (proto/) that knows what to do with it: reading and writing for the
// machine, the handshake, deadlines, and the ends that come from outside. A protocol's session derives from it and
// performs what is the protocol's own. It lives and dies on its stream's loop.
//
// Machine: input_space(), on_bytes(n), on_written(), on_eof(), on_timeout(), on_broken(), idle(), shut_down(), ending();
// and interrupt(Interruption), which answers the read under way and gives the last words for the client.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/loop.hpp"
#include "net/session_group.hpp"
#include "net/stream.hpp"
#include "net/tls.hpp"

namespace posthorn::net {

template <class Machine>
class SessionDriver : public SessionGroup::Member, public std::enable_shared_from_this<SessionDriver<Machine>> {
public:
    virtual ~SessionDriver() = default;
    SessionDriver(const SessionDriver&) = delete;

    // On the stream's loop.
    static void launch(std::shared_ptr<SessionDriver> session, std::string name) {
        auto& loop = session->loop();
        if (!session->group_.join(loop, *session)) session->machine_.shut_down();
        spawn(loop, std::move(name), run(session), [session] {
            if (session->timer_ != 0) session->loop().cancel(std::exchange(session->timer_, 0));
            session->ended();
            session->group_.leave(session->loop(), *session);
        });
    }

    // The session ends at once when it waits for a command, else when its machine finds it may.
    void shut_down() final {
        machine_.shut_down();
        if (doing_ == Doing::reading && !interrupted_ && machine_.idle()) interrupt(Interruption::shutdown);
    }

    // Ends now, but for what must not be cut off: that runs on, and hurry_ tells of it.
    void close() final {
        machine_.shut_down();
        hurry_ = true;
        if (interrupted_) return;
        if (doing_ == Doing::reading) interrupt(Interruption::shutdown);
        if (writing_beside_ || doing_ == Doing::writing || doing_ == Doing::handshake) stream_->close();
    }

protected:
    using Interruption = typename Machine::Interruption;

    // The group outlives the session; its place there is taken.
    template <class... Args>
    SessionDriver(SessionGroup& group, std::unique_ptr<Stream>&& stream, Args&&... machine)
        : group_(group),
          loop_(stream->loop()),
          stream_(std::move(stream)),
          machine_(std::forward<Args>(machine)...),
          began_(loop_.now()) {}

    // Performs one action of the machine after the other, until it wants to close.
    virtual Task<> converse() = 0;
    // The last that is called, however the session ended.
    virtual void ended() = 0;

    // Reads for the machine. A `fresh` wait may take `limit`, and no longer than until latest_; else the deadline of the
    // wait before it stands.
    Task<> read(bool fresh, base::Duration limit) {
        if (fresh) deadline_ = std::min(loop().now() + limit, latest_);
        if (hurry_ || loop().now() >= latest_) {
            interrupt(hurry_ ? Interruption::shutdown : Interruption::timeout);
            co_return;
        }
        arm();
        doing_ = Doing::reading;
        const auto result = co_await stream_->read_some(machine_.input_space(), deadline_ + kBackstop);
        doing_ = Doing::nothing;
        if (interrupted_) co_return;  // interrupt() has answered the machine
        if (result.ok()) {
            machine_.on_bytes(result.size);
        } else {
            broken(result);
        }
    }

    // Writes what the machine said. Not bounded by latest_: a last reply must have its chance.
    Task<> write(std::string_view bytes, base::Duration limit) {
        doing_ = Doing::writing;
        const auto result = co_await stream_->write(bytes, loop().now() + limit);
        doing_ = Doing::nothing;
        if (result.ok()) {
            machine_.on_written();
        } else {
            broken(result);
        }
    }

    // The same for bytes that the machine does not wait for. False: the client is gone.
    Task<bool> send(std::string_view bytes, base::Duration limit) {
        doing_ = Doing::writing;
        const auto result = co_await stream_->write(bytes, loop().now() + limit);
        doing_ = Doing::nothing;
        co_return result.ok();
    }

    // The machine is told by the caller.
    Task<base::Result<TlsInfo>> handshake(std::shared_ptr<const TlsServerContext> context, base::Duration limit) {
        doing_ = Doing::handshake;
        auto info = co_await stream_->start_tls(std::move(context), std::min(loop().now() + limit, latest_));
        doing_ = Doing::nothing;
        co_return info;
    }

    // While a read is under way (or about to be): a last reply goes out beside it, then the stream closes under it.
    void interrupt(Interruption why) {
        auto bytes = machine_.interrupt(why);
        interrupted_ = true;
        if (writing_beside_) return stream_->close();
        spawn(loop(), "farewell", farewell(this->shared_from_this(), std::move(bytes)));
    }

    // The end of converse().
    Task<> leave() {
        if (interrupted_) co_return;  // the farewell closes
        if (machine_.ending() == "connection lost") {
            stream_->close();
            co_return;
        }
        co_await stream_->shutdown(loop().now() + kFarewell);
    }

    Loop& loop() const { return loop_; }
    bool reading() const { return doing_ == Doing::reading; }

    SessionGroup& group_;
    Loop& loop_;
    std::unique_ptr<Stream> stream_;
    Machine machine_;
    const base::SteadyTime began_;
    base::SteadyTime latest_ = base::SteadyTime::max();  // no wait for the client ends later
    bool interrupted_ = false;                           // a farewell is on its way and closes the stream
    bool hurry_ = false;                                 // close() came while nothing could be interrupted
    bool writing_beside_ = false;  // somebody writes while a read waits: no farewell fits beside that

    // For a last reply to a client that may not read, and for closing in order.
    static constexpr base::Duration kFarewell = std::chrono::seconds(5);
    // The stream's own deadline lies behind ours, so that we can speak before it closes.
    static constexpr base::Duration kBackstop = 2 * kFarewell;

private:
    enum class Doing : std::uint8_t { nothing, reading, writing, handshake };

    static Task<> run(std::shared_ptr<SessionDriver> self) { co_await self->converse(); }

    void broken(const IoResult& result) {
        switch (result.status) {
            case IoStatus::eof: return machine_.on_eof();
            case IoStatus::timed_out: return machine_.on_timeout();
            default: return machine_.on_broken();
        }
    }

    static Task<> farewell(std::shared_ptr<SessionDriver> self, std::string bytes) {
        const auto deadline = self->loop().now() + kFarewell;
        if (!bytes.empty()) {
            const auto result = co_await self->stream_->write(bytes, deadline);
            static_cast<void>(result);  // it was a courtesy
        }
        self->stream_->close();
    }

    // One timer a session, that looks at the deadline when it fires: most reads do not touch it.
    void arm() {
        if (timer_ != 0 && timer_at_ <= deadline_) return;
        if (timer_ != 0) loop().cancel(timer_);
        timer_at_ = deadline_;
        timer_ = loop().call_at(deadline_, [weak = this->weak_from_this()] {
            if (const auto self = weak.lock()) self->on_timer();
        });
    }

    void on_timer() {
        timer_ = 0;
        if (doing_ != Doing::reading || interrupted_) return;  // the next read arms it again
        if (loop().now() < deadline_) return arm();
        interrupt(Interruption::timeout);
    }

    base::SteadyTime deadline_;  // of the wait at hand
    TimerId timer_ = 0;
    base::SteadyTime timer_at_;
    Doing doing_ = Doing::nothing;
};

}  // namespace posthorn::net
