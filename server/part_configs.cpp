// What of the whole configuration each part is given.
#include "net/interfaces.hpp"
#include "server/parts.hpp"

namespace posthorn::server {

namespace {

std::optional<mta::Protocol> mta_protocol(ListenerProtocol protocol) {
    switch (protocol) {
        case ListenerProtocol::smtp: return mta::Protocol::smtp;
        case ListenerProtocol::submission: return mta::Protocol::submission;
        case ListenerProtocol::lmtp: return mta::Protocol::lmtp;
        case ListenerProtocol::imap:
        case ListenerProtocol::pop3: break;
    }
    return std::nullopt;
}

}  // namespace

mta::Config receiver_config(const Config& config, const TlsContexts& tls, std::optional<observe::Sampler> sampler) {
    mta::Config out;
    out.hostname = config.server.hostname;
    out.postmaster = config.delivery.dsn.postmaster;
    for (const auto& section : config.listeners) {
        const auto protocol = mta_protocol(section.protocol);
        if (!protocol) continue;
        out.listeners.push_back(section.listener);
        out.listeners.back().protocol = *protocol;
        out.listeners.back().smtp.over_quota =
            config.delivery.local.bounce_over_quota ? mta::OverQuota::reject : mta::OverQuota::defer;
    }
    out.submission = config.submission;
    out.tls = tls.server;
    out.sampler = std::move(sampler);
    out.trace_peers = config.traces.peers;
    return out;
}

delivery::Config delivery_config(const Config& config, const TlsContexts& tls, std::vector<net::Endpoint> bound) {
    delivery::Config out = config.delivery;
    out.own_names = {config.server.hostname};
    out.own_endpoints = std::move(bound);
    out.own_addresses = net::own_addresses();
    out.trace_peers = config.traces.peers;
    out.tls_unverified = tls.unverified;
    out.tls_verifying = tls.verifying;
    return out;
}

}  // namespace posthorn::server
