// What of the whole configuration those parts are given that show mail, and how doors are given a new one.
#include "server/parts.hpp"

namespace posthorn::server {
namespace {

template <class Out, class Limits>
Out reader_config(const Config& config, const TlsContexts& tls, ListenerProtocol wanted, const Limits& limits) {
    Out out;
    out.hostname = config.server.hostname;
    out.tls = tls.server;
    for (const auto& [protocol, listener] : config.listeners) {
        if (protocol != wanted) continue;
        out.listeners.push_back({static_cast<const net::DoorConfig&>(listener), limits});
    }
    return out;
}

}  // namespace

imap::Config imap_config(const Config& config, const TlsContexts& tls) {
    return reader_config<imap::Config>(config, tls, ListenerProtocol::imap, config.imap);
}

pop3::Config pop3_config(const Config& config, const TlsContexts& tls) {
    return reader_config<pop3::Config>(config, tls, ListenerProtocol::pop3, config.pop3);
}

// Who listens for mail and for its readers: all of them, or none. What has changed before one refuses is put back.
base::Result<void> Daemon::Parts::reload_doors(const Config& old, const Config& fresh, const TlsContexts& fresh_tls,
                                               const std::optional<observe::Sampler>& sampler) {
    auto done = imap->reload(imap_config(fresh, fresh_tls));
    if (!done) return done;
    done = pop3->reload(pop3_config(fresh, fresh_tls));
    if (done) done = receiver->reload(receiver_config(fresh, fresh_tls, sampler));
    if (done) return done;
    auto error = done.error();
    if (const auto back = imap->reload(imap_config(old, tls)); !back)
        error.log_text += "; " + back.error().log_text;
    if (const auto back = pop3->reload(pop3_config(old, tls)); !back)
        error.log_text += "; " + back.error().log_text;
    return std::unexpected(std::move(error));
}

}  // namespace posthorn::server
