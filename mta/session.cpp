#include "mta/session.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace posthorn::mta {
namespace {

using Kind = smtp::ServerAction::Kind;

smtp::ServerOptions options_for(const Settings& settings, const net::Endpoint& peer, const Services& services) {
    auto options = settings.options;
    options.proxy_header =
        peer.unix_path.empty() && policy::contains(settings.listener.smtp.proxy_networks, peer.ip);
    // Behind a proxy it may be anybody.
    options.trace = settings.sampler && !options.proxy_header && peer.unix_path.empty() &&
                    policy::contains(settings.trace_peers, peer.ip);
    if (settings.has_auth() && services.provider != nullptr) {
        options.mechanisms = auth::mechanisms_of(services.provider->mechanisms());
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
    : SessionDriver(worker.shared.group, std::move(stream),
                    options_for(*settings, stream->peer(), worker.shared.services),
                    peer_of(stream->peer(), !settings->listener.address.unix_path.empty())),
      worker_(worker),
      settings_(std::move(settings)),
      id_(fmt::format("{:010x}", worker.random->next() >> 24)),
      step_clock_{worker.loop.clock().wall(), began_} {
    latest_ = began_ + settings_->listener.smtp.timeouts.connection;
}

void Session::ended() {
    if (connected_) {
        auto gone = event(mail::EventKind::disconnected);
        gone.text = machine_.ending();
        gone.elapsed = worker_.loop.now() - began_;
        gone.extra.emplace_back("messages", std::to_string(machine_.accepted()));
        worker_.shared.events.record(gone);
    }
    ticket_.reset();
    intake_.reset();
}

net::Task<> Session::converse() {
    const bool needs_time = settings_->options.max_hold > base::Duration{};
    while (true) {
        if (needs_time) machine_.set_time(worker_.loop.clock().wall());
        const auto action = machine_.next();
        if (machine_.has_notices()) report_notices();
        switch (action.kind) {
            case Kind::read: co_await read(action.fresh, timeout(action.timeout)); break;
            case Kind::write: co_await write(action.bytes, timeout(action.timeout)); break;
            case Kind::start_tls: co_await shake_hands(); break;
            case Kind::check: {
                auto verdict = judge(action.subject);
                if (!verdict) verdict = co_await ask(action.subject);
                machine_.on_verdict(*std::move(verdict));
                break;
            }
            case Kind::authenticate: co_await authenticate(); break;
            case Kind::open_body: machine_.on_verdict(open_body()); break;
            case Kind::body:
                if (!header_ended_ && machine_.transaction().header.over()) header_ended_ = worker_.loop.now();
                if (intake_->append(action.bytes)) co_await flush();
                machine_.on_verdict(intake_->error() ? refused(*intake_->error(), "DATA") : smtp::Verdict::yes());
                break;
            case Kind::commit:
                if (machine_.lmtp()) {
                    co_await commit_each();
                } else {
                    co_await commit();
                }
                break;
            case Kind::discard:
                intake_.reset();
                machine_.on_discarded();
                break;
            case Kind::close: co_await leave(); co_return;
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

// With implicit TLS the handshake comes before judge_client(): a client that never ends it has its connections counted
// all the same. Nothing can be said to it yet.
bool Session::may_shake_hands() {
    const auto ip = net::IpAddress::parse(machine_.peer().ip);
    if (connected_ || !ip) return true;
    ticket_ = net::ClientLimits::enter(group_.clients(), *ip, settings_->listener.smtp.max_connections_per_client);
    if (ticket_) return true;
    worker_.shared.counters.turned_away.add();
    auto refused = event(mail::EventKind::rejected);
    refused.detail = "CONNECT";
    refused.text = "Too many connections of this client";
    worker_.shared.events.record(refused);
    return false;
}

net::Task<> Session::shake_hands() {
    if (!may_shake_hands()) {
        machine_.on_broken();
        co_return;
    }
    auto info = co_await handshake(settings_->tls, timeout(smtp::ServerTimeout::command));
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
    machine_.on_tls(info->version, info->cipher, {.tls_exporter = std::move(info->exporter)});
    worker_.shared.events.record(event(mail::EventKind::tls_started));
}

net::Task<> Session::flush() {
    // Its error stays in the intake, where it is looked at.
    const auto flushed = co_await intake_->flush();
    static_cast<void>(flushed);
}

}  // namespace posthorn::mta
