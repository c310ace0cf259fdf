#include "mta/session.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace posthorn::mta {
namespace {

using Kind = smtp::ServerAction::Kind;

// For a last reply to a client that may not read, and for closing in order.
constexpr base::Duration kFarewell = std::chrono::seconds(5);
// The stream's own deadline lies behind ours, so that we can say 421 before it closes.
constexpr base::Duration kBackstop = 2 * kFarewell;

smtp::ServerOptions options_for(const Settings& settings, const net::Endpoint& peer, const Services& services) {
    auto options = settings.options;
    options.proxy_header =
        peer.unix_path.empty() && policy::contains(settings.listener.smtp.proxy_networks, peer.ip);
    // Behind a proxy it may be anybody.
    options.trace = settings.sampler && !options.proxy_header && peer.unix_path.empty() &&
                    policy::contains(settings.trace_peers, peer.ip);
    if (settings.has_auth() && services.provider != nullptr) {
        options.mechanisms = mechanisms_of(services.provider->mechanisms());
        // Nobody reads along on a Unix socket.
        options.clear_auth =
            !settings.listener.address.unix_path.empty() ||
            (!options.proxy_header && policy::contains(settings.listener.smtp.plaintext_auth_networks, peer.ip));
    }
    return options;
}

smtp::ServerPeer peer_of(const net::Endpoint& peer, bool unix_socket) {
    if (unix_socket) return {};
    return {.ip = peer.ip.unmapped().to_string(), .port = peer.port};
}

}  // namespace

Session::Session(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream)
    : worker_(worker),
      settings_(std::move(settings)),
      stream_(std::move(stream)),
      machine_(options_for(*settings_, stream_->peer(), worker.shared.services),
               peer_of(stream_->peer(), !settings_->listener.address.unix_path.empty())),
      id_(fmt::format("{:010x}", worker.random->next() >> 24)),
      began_(worker.loop.now()),
      step_clock_{worker.loop.clock().wall(), began_} {}

void Session::start(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream) {
    std::shared_ptr<Session> session(new Session(worker, std::move(settings), std::move(stream)));
    worker.sessions.insert(session.get());
    if (worker.shared.stopping) session->machine_.shut_down();
    net::spawn(worker.loop, "smtp session", run(session), [session] { session->ended(); });
}

void Session::ended() {
    if (timer_ != 0) worker_.loop.cancel(std::exchange(timer_, 0));
    if (connected_) {
        auto gone = event(mail::EventKind::disconnected);
        gone.text = machine_.ending();
        gone.elapsed = worker_.loop.now() - began_;
        gone.extra.emplace_back("messages", std::to_string(machine_.accepted()));
        worker_.shared.events.record(gone);
    }
    ticket_.reset();
    intake_.reset();
    worker_.sessions.erase(this);
    const std::lock_guard lock(worker_.shared.drained_mutex);
    if (worker_.shared.sessions.fetch_sub(1) == 1) worker_.shared.drained.notify_all();
}

net::Task<> Session::run(std::shared_ptr<Session> self) {
    auto& machine = self->machine_;
    const bool needs_time = self->settings_->options.max_hold > base::Duration{};
    while (true) {
        if (needs_time) machine.set_time(self->worker_.loop.clock().wall());
        const auto action = machine.next();
        if (machine.has_notices()) self->report_notices();
        switch (action.kind) {
            case Kind::read: co_await self->read(action); break;
            case Kind::write: co_await self->write(action); break;
            case Kind::start_tls: co_await self->handshake(); break;
            case Kind::check: {
                auto verdict = self->judge(action.subject);
                if (!verdict) verdict = co_await self->ask(action.subject);
                machine.on_verdict(*std::move(verdict));
                break;
            }
            case Kind::authenticate: co_await self->authenticate(); break;
            case Kind::open_body: machine.on_verdict(self->open_body()); break;
            case Kind::body:
                if (!self->header_ended_ && machine.transaction().header.over())
                    self->header_ended_ = self->worker_.loop.now();
                if (self->intake_->append(action.bytes)) co_await self->flush();
                machine.on_verdict(self->intake_->error() ? self->refused(*self->intake_->error(), "DATA")
                                                          : smtp::Verdict::yes());
                break;
            case Kind::commit:
                if (machine.lmtp()) {
                    co_await self->commit_each();
                } else {
                    co_await self->commit();
                }
                break;
            case Kind::discard:
                self->intake_.reset();
                machine.on_discarded();
                break;
            case Kind::close: co_await self->leave(); co_return;
        }
    }
}

base::Duration Session::timeout(smtp::ServerTimeout which) const {
    const auto& timeouts = settings_->listener.smtp.timeouts;
    switch (which) {
        case smtp::ServerTimeout::command: return timeouts.command;
        case smtp::ServerTimeout::data_init: return timeouts.data_init;
        case smtp::ServerTimeout::data_block: return timeouts.data_block;
        case smtp::ServerTimeout::data_termination: return timeouts.data_termination;
    }
    return timeouts.command;
}

net::Task<> Session::read(smtp::ServerAction action) {
    if (action.fresh) {
        const auto end = began_ + settings_->listener.smtp.timeouts.connection;
        deadline_ = std::min(worker_.loop.now() + timeout(action.timeout), end);
    }
    if (hurry_) {
        interrupt(Interruption::shutdown);
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

net::Task<> Session::write(smtp::ServerAction action) {
    doing_ = Doing::writing;
    // Not bounded by the session's limit: the reply to a message that was taken must have its chance.
    const auto result = co_await stream_->write(action.bytes, worker_.loop.now() + timeout(action.timeout));
    doing_ = Doing::nothing;
    if (result.ok()) {
        machine_.on_written();
    } else {
        broken(result);
    }
}

void Session::broken(const net::IoResult& result) {
    switch (result.status) {
        case net::IoStatus::eof: return machine_.on_eof();
        case net::IoStatus::timed_out: return machine_.on_timeout();
        default: return machine_.on_broken();
    }
}

// With implicit TLS the handshake comes before judge_client(): a client that never ends it has its connections counted
// all the same. Nothing can be said to it yet.
bool Session::may_shake_hands() {
    const auto ip = net::IpAddress::parse(machine_.peer().ip);
    if (connected_ || !ip) return true;
    ticket_ = ClientLimits::enter(worker_.shared.clients, *ip, settings_->listener.smtp.max_connections_per_client);
    if (ticket_) return true;
    worker_.shared.counters.turned_away.add();
    auto refused = event(mail::EventKind::rejected);
    refused.detail = "CONNECT";
    refused.text = "Too many connections of this client";
    worker_.shared.events.record(refused);
    return false;
}

net::Task<> Session::handshake() {
    if (!may_shake_hands()) {
        machine_.on_broken();
        co_return;
    }
    const auto end = began_ + settings_->listener.smtp.timeouts.connection;
    const auto deadline = std::min(worker_.loop.now() + timeout(smtp::ServerTimeout::command), end);
    doing_ = Doing::handshake;
    const auto info = co_await stream_->start_tls(settings_->tls, deadline);
    doing_ = Doing::nothing;
    if (!info) {
        worker_.shared.counters.tls_failures.add();
        auto failed = event(mail::EventKind::rejected);
        failed.detail = "TLS";
        failed.text = info.error().log_text;
        worker_.shared.events.record(failed);
        machine_.on_broken();
        co_return;
    }
    worker_.shared.counters.tls_handshakes.add();
    machine_.on_tls(info->version, info->cipher, info->exporter);
    worker_.shared.events.record(event(mail::EventKind::tls_started));
}

net::Task<> Session::flush() {
    // Its error stays in the intake, where it is looked at.
    const auto flushed = co_await intake_->flush();
    static_cast<void>(flushed);
}

net::Task<> Session::leave() {
    if (interrupted_) co_return;  // the farewell closes
    if (machine_.ending() == "connection lost") {
        stream_->close();
        co_return;
    }
    co_await stream_->shutdown(worker_.loop.now() + kFarewell);
}

// ---- ends from outside

void Session::shut_down() {
    machine_.shut_down();
    if (doing_ == Doing::reading && !interrupted_ && machine_.idle()) interrupt(Interruption::shutdown);
}

void Session::close() {
    machine_.shut_down();
    hurry_ = true;
    if (interrupted_) return;
    if (doing_ == Doing::reading) interrupt(Interruption::shutdown);
    if (doing_ == Doing::writing || doing_ == Doing::handshake) stream_->close();
}

// While a read is under way (or about to be): a last reply goes out beside it, then the stream closes under it.
void Session::interrupt(Interruption why) {
    auto bytes = machine_.interrupt(why);
    interrupted_ = true;
    net::spawn(worker_.loop, "smtp farewell", farewell(shared_from_this(), std::move(bytes)));
}

net::Task<> Session::farewell(std::shared_ptr<Session> self, std::string bytes) {
    const auto deadline = self->worker_.loop.now() + kFarewell;
    if (!bytes.empty()) {
        const auto result = co_await self->stream_->write(bytes, deadline);
        static_cast<void>(result);  // it was a courtesy
    }
    self->stream_->close();
}

// One timer a session, that looks at the deadline when it fires: most reads do not touch it.
void Session::arm() {
    if (timer_ != 0 && timer_at_ <= deadline_) return;
    if (timer_ != 0) worker_.loop.cancel(timer_);
    timer_at_ = deadline_;
    timer_ = worker_.loop.call_at(deadline_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->on_timer();
    });
}

void Session::on_timer() {
    timer_ = 0;
    if (doing_ != Doing::reading || interrupted_) return;  // the next read arms it again
    if (worker_.loop.now() < deadline_) return arm();
    interrupt(Interruption::timeout);
}

}  // namespace posthorn::mta
