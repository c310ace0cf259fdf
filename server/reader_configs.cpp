// What of the whole configuration those parts are given that show mail.
#include "server/parts.hpp"

namespace posthorn::server {
namespace {

pop3::ListenerTls tls_of(mta::ListenerTls tls) {
    switch (tls) {
        case mta::ListenerTls::starttls: return pop3::ListenerTls::starttls;
        case mta::ListenerTls::implicit: return pop3::ListenerTls::implicit;
        case mta::ListenerTls::none: break;
    }
    return pop3::ListenerTls::none;
}

}  // namespace

pop3::Config pop3_config(const Config& config, const TlsContexts& tls) {
    pop3::Config out;
    out.hostname = config.server.hostname;
    out.tls = tls.server;
    for (const auto& [protocol, listener] : config.listeners) {
        if (protocol != ListenerProtocol::pop3) continue;
        out.listeners.push_back({.address = listener.address,
                                 .unix_mode = listener.unix_mode,
                                 .unix_group = listener.unix_group,
                                 .tls = tls_of(listener.tls),
                                 .pop3 = config.pop3});
    }
    return out;
}

}  // namespace posthorn::server
