// A listener's configuration made ready for use: an immutable snapshot that its sessions share.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mail/address.hpp"
#include "mta/config.hpp"
#include "policy/relay.hpp"
#include "proto/smtp/server_session.hpp"

namespace posthorn::mta {

struct Settings {
    std::string hostname;
    std::string name;  // "smtp [::]:25"
    ListenerConfig listener;
    smtp::ServerOptions options;  // but for what depends on the client
    policy::RelayPolicy relay;
    std::optional<mail::Address> postmaster;
    std::shared_ptr<const net::TlsServerContext> tls;
    std::optional<observe::Sampler> sampler;
    policy::Networks trace_peers;
    SubmissionConfig submission;

    bool lmtp() const { return listener.protocol == Protocol::lmtp; }
    // Who logs in here may be asked to: what a session offers depends on the provider.
    bool has_auth() const {
        return listener.protocol == Protocol::submission ||
               (listener.protocol == Protocol::smtp && listener.smtp.auth);
    }
};

// `bound`: where the listener really listens.
std::shared_ptr<const Settings> make_settings(const Config& config, const ListenerConfig& listener,
                                              const net::Endpoint& bound);

}  // namespace posthorn::mta
