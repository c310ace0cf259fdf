// A session of a reader: what all of them do around the protocol's own actions. Who may come in, TLS, logins, and the
// line in the log that says how it was.
//
// Protocol names its parts: Machine, Action, Options, Limits, Shared; `name` ("imap"), and password_command, the option
// that offers to take a password without SASL.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auth/sasl.hpp"
#include "base/log.hpp"
#include "net/session_driver.hpp"
#include "readers/common/settings.hpp"
#include "readers/common/worker.hpp"

namespace posthorn::readers {

inline bool is_unix(const net::Stream& stream) {
    return !stream.peer().unix_path.empty() || !stream.local().unix_path.empty();
}

template <class Protocol>
class Session : public net::SessionDriver<typename Protocol::Machine> {
    using Driver = net::SessionDriver<typename Protocol::Machine>;

public:
    using Settings = readers::Settings<typename Protocol::Limits, typename Protocol::Options>;
    using Worker = readers::Worker<typename Protocol::Shared>;

    // On the stream's loop, which is the worker's; both outlive the session. Its place in the group is taken.
    Session(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream)
        : Driver(worker.shared.group, std::move(stream), options(worker, *settings, *stream)),
          worker_(worker),
          settings_(std::move(settings)),
          id_(fmt::format("{:010x}", worker.random->next() >> 24)) {
        this->latest_ = began_ + limits().before_login;
    }

protected:
    using Action = typename Protocol::Action;
    using Driver::began_;
    using Driver::hurry_;
    using Driver::loop;
    using Driver::machine_;
    using Driver::stream_;

    // Performs what the machine asks for; at last a close, at which only what is left of the session is to be told.
    virtual net::Task<> perform(Action action) = 0;
    // Logs how a session was that came in.
    virtual void report() const = 0;

    net::Task<> converse() final {
        if (!may_come_in()) {
            stream_->close();
            co_return;
        }
        worker_.shared.base_counters.sessions.add();
        while (true) {
            const auto action = machine_.next();
            co_await perform(action);
            if (!known_ && machine_.authenticated()) welcome();
            if (action.kind == Action::Kind::close) break;
        }
        co_await this->leave();
    }

    void ended() final {
        if (let_in_) report();
        stranger_.reset();
        ticket_.reset();
        gone();
    }
    // The session is over: lets go of what others wait for.
    virtual void gone() = 0;

    net::Task<> shake_hands() {
        auto info = co_await this->handshake(settings_->tls, limits().login);
        if (!info) {
            worker_.shared.base_counters.tls_failures.add();
            base::log::info(event("tls_failed"),
                            {{"session_id", id_}, {"client_ip", client_ip()}, {"error", info.error().log_text}});
            machine_.on_broken();
            co_return;
        }
        worker_.shared.base_counters.tls_handshakes.add();
        machine_.on_tls({.tls_exporter = std::move(info->exporter)});
    }

    // Failures are counted, throttled, delayed and logged by the provider.
    net::Task<> login() {
        auth::Client client{.ip = stream_->peer().ip.unmapped(),
                            .unix_socket = is_unix(*stream_),
                            .service = std::string(Protocol::name),
                            .mechanism = std::string(machine_.mechanism()),
                            .session = id_,
                            .tls = machine_.tls()};
        auto answer =
            co_await lookup_.ask(*worker_.shared.provider, loop(), std::move(machine_.need()), std::move(client));
        if (answer.secret) {
            machine_.on_secret(*std::move(answer.secret));
            co_return;
        }
        if (answer.verdict == sasl::LoginVerdict::ok) {
            account_ = answer.account.name;
            quota_ = answer.account.quota;
        }
        machine_.on_login(answer.verdict);
    }

    const typename Protocol::Limits& limits() const { return settings_->listener.limits; }
    std::string client_ip() const { return stream_->peer().ip.unmapped().to_string(); }
    double seconds() const { return std::chrono::duration<double>(loop().now() - began_).count(); }

    Worker& worker_;
    std::shared_ptr<const Settings> settings_;
    const std::string id_;
    mail::AccountName account_;  // who has logged in
    auth::Quota quota_;

private:
    static std::string event(std::string_view what) { return fmt::format("{}.{}", Protocol::name, what); }

    static typename Protocol::Options options(const Worker& worker, const Settings& settings,
                                              const net::Stream& stream) {
        const auto can = worker.shared.provider->mechanisms();
        auto options = settings.options;
        options.*Protocol::password_command = can.password;
        options.mechanisms = auth::mechanisms_of(can);
        options.clear_login = is_unix(stream) || policy::contains(settings.listener.limits.plaintext_auth_networks,
                                                                  stream.peer().ip.unmapped());
        return options;
    }

    // Before the handshake of implicit TLS, too: a client that never ends it has its connections counted all the same.
    bool may_come_in() {
        let_in_ = is_unix(*stream_) || may_come_from(stream_->peer().ip);
        return let_in_;
    }

    bool may_come_from(const net::IpAddress& client) {
        using net::ClientLimits;
        auto& shared = worker_.shared;
        ticket_ = ClientLimits::enter(shared.group.clients(), client, limits().max_connections_per_client);
        if (ticket_) stranger_ = ClientLimits::enter(shared.strangers, client, limits().max_strangers_per_client);
        if (stranger_) return true;
        shared.base_counters.turned_away.add();
        base::log::info(event("turned_away"), {{"session_id", id_},
                                               {"client_ip", client_ip()},
                                               {"listener", settings_->name},
                                               {"reason", ticket_ ? "Too many connections without a login"
                                                                  : "Too many connections of this client"}});
        return false;
    }

    void welcome() {
        stranger_.reset();
        this->latest_ = base::SteadyTime::max();
        known_ = true;
    }

    bool let_in_ = false;
    bool known_ = false;  // has logged in
    std::optional<net::ClientLimits::Ticket> ticket_;
    std::optional<net::ClientLimits::Ticket> stranger_;  // until the login
    auth::SaslLookup lookup_;
};

}  // namespace posthorn::readers
