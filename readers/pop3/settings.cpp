#include "readers/pop3/settings.hpp"

namespace posthorn::pop3 {

std::shared_ptr<const Settings> make_settings(const Config& config, const ListenerConfig& listener,
                                              const net::Endpoint& bound) {
    const auto& limits = listener.pop3;
    ServerOptions options;
    options.hostname = config.hostname;
    options.stls = listener.tls == ListenerTls::starttls && config.tls != nullptr;
    options.implicit_tls = listener.tls == ListenerTls::implicit;
    options.login_delay = limits.login_delay;
    options.expire = limits.expire;
    options.max_errors = limits.max_errors;
    options.max_logins = limits.max_logins;
    return std::make_shared<const Settings>(Settings{.name = "pop3 " + bound.to_string(),
                                                     .listener = listener,
                                                     .options = std::move(options),
                                                     .tls = config.tls});
}

}  // namespace posthorn::pop3
