// A listener's configuration made ready for use: an immutable snapshot that its sessions share.
#pragma once

#include <memory>
#include <string>

#include "readers/common/config.hpp"

namespace posthorn::readers {

template <class Limits, class Options>
struct Settings {
    std::string name;  // "imap [::]:143"
    ListenerConfig<Limits> listener;
    Options options;  // of the machine, but for what depends on the client, and on how logins are checked
    std::shared_ptr<const net::TlsServerContext> tls;
};

}  // namespace posthorn::readers
