#include "readers/imap/settings.hpp"

namespace posthorn::imap {
namespace {

// What the reader does beside the base protocol: each word stands for what works.
constexpr std::string_view kCapabilities =
    "IDLE NAMESPACE CHILDREN UIDPLUS UNSELECT MOVE ESEARCH SEARCHRES PARTIAL WITHIN LIST-EXTENDED LIST-STATUS "
    "STATUS=SIZE "
    "SPECIAL-USE CREATE-SPECIAL-USE CONDSTORE QRESYNC UTF8=ACCEPT BINARY PREVIEW OBJECTID MULTIAPPEND QUOTA "
    "QUOTA=RES-STORAGE QUOTA=RES-MESSAGE";

}  // namespace

std::shared_ptr<const Settings> make_settings(const Config& config, const ListenerConfig& listener,
                                              const net::Endpoint& bound) {
    const auto& limits = listener.imap;
    ServerOptions options;
    options.hostname = config.hostname;
    options.starttls = listener.tls == ListenerTls::starttls && config.tls != nullptr;
    options.implicit_tls = listener.tls == ListenerTls::implicit;
    options.rev2 = true;
    options.capabilities = std::string(kCapabilities) + " APPENDLIMIT=" + std::to_string(limits.append_limit);
    options.can_enable = {"CONDSTORE", "QRESYNC", "UTF8=ACCEPT"};
    options.append_limit = limits.append_limit;
    options.max_errors = limits.max_errors;
    options.max_logins = limits.max_logins;
    return std::make_shared<const Settings>(Settings{.name = "imap " + bound.to_string(),
                                                     .listener = listener,
                                                     .options = std::move(options),
                                                     .tls = config.tls});
}

}  // namespace posthorn::imap
