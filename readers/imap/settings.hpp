// A listener's configuration made ready for use: an immutable snapshot that its sessions share.
#pragma once

#include <memory>
#include <string>

#include "proto/imap/server_session.hpp"
#include "readers/imap/config.hpp"

namespace posthorn::imap {

struct Settings {
    std::string name;  // "imap [::]:143"
    ListenerConfig listener;
    ServerOptions options;  // but for what depends on the client, and on how logins are checked
    std::shared_ptr<const net::TlsServerContext> tls;
};

// `bound`: where the listener really listens.
std::shared_ptr<const Settings> make_settings(const Config& config, const ListenerConfig& listener,
                                              const net::Endpoint& bound);

}  // namespace posthorn::imap
