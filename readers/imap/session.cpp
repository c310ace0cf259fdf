#include "readers/imap/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"

namespace posthorn::imap {
namespace {

using Kind = ServerAction::Kind;

// For a last reply to a client that may not read, and for closing in order.
constexpr base::Duration kFarewell = std::chrono::seconds(5);
// Responses go out in pieces of at least this size while a command runs.
constexpr std::size_t kPiece = 64 * 1024;
// The stream's own deadline lies behind ours, so that we can speak before it closes.
constexpr base::Duration kBackstop = 2 * kFarewell;

bool is_unix(const net::Stream& stream) {
    return !stream.peer().unix_path.empty() || !stream.local().unix_path.empty();
}

std::vector<sasl::Mechanism> mechanisms_of(const auth::Mechanisms& can) {
    using sasl::Mechanism;
    std::vector<Mechanism> out;
    if (can.scram_sha_256) out.insert(out.end(), {Mechanism::scram_sha_256_plus, Mechanism::scram_sha_256});
    if (can.scram_sha_1) out.push_back(Mechanism::scram_sha_1);
    if (can.token) out.insert(out.end(), {Mechanism::oauthbearer, Mechanism::xoauth2});
    if (can.password) out.insert(out.end(), {Mechanism::plain, Mechanism::login});
    return out;
}

ServerOptions options_for(const Settings& settings, const net::Stream& stream, const auth::Mechanisms& can) {
    auto options = settings.options;
    options.login_command = can.password;
    options.mechanisms = mechanisms_of(can);
    options.clear_login = is_unix(stream) || policy::contains(settings.listener.imap.plaintext_auth_networks,
                                                              stream.peer().ip.unmapped());
    return options;
}

}  // namespace

Session::Session(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream)
    : worker_(worker),
      settings_(std::move(settings)),
      stream_(std::move(stream)),
      machine_(options_for(*settings_, *stream_, worker.shared.provider->mechanisms())),
      id_(fmt::format("{:010x}", worker.random->next() >> 24)),
      began_(worker.loop.now()),
      told_(worker.loop),
      appending_(nullptr, [](Appending*) {}) {}

void Session::start(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream) {
    std::shared_ptr<Session> session(new Session(worker, std::move(settings), std::move(stream)));
    worker.sessions.insert(session.get());
    if (worker.shared.stopping) session->machine_.shut_down();
    net::spawn(worker.loop, "imap session", run(session), [session] { session->ended(); });
}

// Before the handshake of implicit TLS, too: a client that never ends it has its connections counted all the same.
bool Session::may_come_in() {
    if (is_unix(*stream_)) return true;
    ticket_ = net::ClientLimits::enter(worker_.shared.clients, stream_->peer().ip,
                                       settings_->listener.imap.max_connections_per_client);
    if (ticket_) return true;
    worker_.shared.counters.turned_away.add();
    base::log::info("imap.turned_away", {{"session_id", id_},
                                         {"client_ip", stream_->peer().ip.unmapped().to_string()},
                                         {"listener", settings_->name},
                                         {"reason", "Too many connections of this client"}});
    return false;
}

void Session::ended() {
    if (timer_ != 0) worker_.loop.cancel(std::exchange(timer_, 0));
    if (ticket_ || is_unix(*stream_)) {
        const auto seconds = std::chrono::duration<double>(worker_.loop.now() - began_).count();
        base::log::info("imap.session", {{"session_id", id_},
                                         {"client_ip", stream_->peer().ip.unmapped().to_string()},
                                         {"listener", settings_->name},
                                         {"account", account_.local.empty() ? std::string() : account_.text()},
                                         {"tls", machine_.tls()},
                                         {"commands", commands_},
                                         {"duration", seconds},
                                         {"reason", machine_.ending()}});
    }
    ticket_.reset();
    subscription_.reset();
    appending_.reset();
    worker_.sessions.erase(this);
    const std::lock_guard lock(worker_.shared.drained_mutex);
    if (worker_.shared.sessions.fetch_sub(1) == 1) worker_.shared.drained.notify_all();
}

net::Task<> Session::run(std::shared_ptr<Session> self) {
    if (!self->may_come_in()) {
        self->stream_->close();
        co_return;
    }
    self->worker_.shared.counters.sessions.add();
    while (true) {
        const auto action = self->machine_.next();
        if (action.kind == Kind::close) break;
        co_await self->perform(action);
    }
    co_await self->leave();
}

net::Task<> Session::perform(ServerAction action) {
    switch (action.kind) {
        case Kind::read: co_await read(action); break;
        case Kind::write: co_await write(action); break;
        case Kind::start_tls: co_await handshake(); break;
        case Kind::login: co_await login(); break;
        case Kind::run: co_await run_command(); break;
        case Kind::append: co_await append(action); break;
        case Kind::piece: co_await append_piece(std::string(action.bytes)); break;
        case Kind::close: break;
    }
}

base::Duration Session::timeout(ServerTimeout which) const {
    const auto& config = settings_->listener.imap;
    switch (which) {
        case ServerTimeout::login: return config.login;
        case ServerTimeout::idle: return config.idle;
        case ServerTimeout::command: return config.command;
        case ServerTimeout::write: return config.write;
    }
    return config.idle;
}

net::Task<> Session::read(ServerAction action) {
    if (action.fresh) deadline_ = worker_.loop.now() + timeout(action.timeout);
    if (hurry_) {
        interrupt(Interruption::shutdown);
        co_return;
    }
    arm();
    doing_ = Doing::reading;
    // What happened while nobody looked is told as soon as IDLE begins.
    if (action.idle && news_) on_notice();
    const auto result = co_await stream_->read_some(machine_.input_space(), deadline_ + kBackstop);
    doing_ = Doing::nothing;
    while (telling_) co_await told_.wait();  // one write at a time
    if (interrupted_) co_return;             // interrupt() has answered the machine
    if (result.ok()) {
        machine_.on_bytes(result.size);
    } else {
        broken(result);
    }
}

net::Task<> Session::write(ServerAction action) {
    if (lost_ || (hurry_ && machine_.ending().empty())) {
        machine_.on_broken();
        co_return;
    }
    doing_ = Doing::writing;
    const auto result = co_await stream_->write(action.bytes, worker_.loop.now() + timeout(action.timeout));
    doing_ = Doing::nothing;
    if (result.ok()) {
        machine_.on_written();
    } else {
        broken(result);
    }
}

net::Task<bool> Session::flush() {
    if (lost_ || hurry_) co_return false;
    if (out().size() < kPiece) co_return true;
    doing_ = Doing::writing;
    const auto result = co_await stream_->write(out(), loop().now() + timeout(ServerTimeout::write));
    doing_ = Doing::nothing;
    out().clear();
    lost_ = !result.ok();
    co_return result.ok();
}

void Session::broken(const net::IoResult& result) {
    switch (result.status) {
        case net::IoStatus::eof: return machine_.on_eof();
        case net::IoStatus::timed_out: return machine_.on_timeout();
        default: return machine_.on_broken();
    }
}

net::Task<> Session::handshake() {
    doing_ = Doing::handshake;
    const auto info =
        co_await stream_->start_tls(settings_->tls, worker_.loop.now() + timeout(ServerTimeout::login));
    doing_ = Doing::nothing;
    if (!info) {
        worker_.shared.counters.tls_failures.add();
        base::log::info("imap.tls_failed", {{"session_id", id_},
                                            {"client_ip", stream_->peer().ip.unmapped().to_string()},
                                            {"error", info.error().log_text}});
        machine_.on_broken();
        co_return;
    }
    worker_.shared.counters.tls_handshakes.add();
    machine_.on_tls({.tls_exporter = info->exporter});
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
    if (telling_) return stream_->close();  // one write at a time
    net::spawn(worker_.loop, "imap farewell", farewell(shared_from_this(), std::move(bytes)));
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

}  // namespace posthorn::imap
