#include "mta/settings.hpp"

namespace posthorn::mta {

std::shared_ptr<const Settings> make_settings(const Config& config, const ListenerConfig& listener,
                                              const net::Endpoint& bound) {
    const auto& limits = listener.smtp;
    smtp::ServerOptions options;
    options.hostname = config.hostname;
    options.starttls = listener.tls == net::ListenerTls::starttls && config.tls != nullptr;
    options.implicit_tls = listener.tls == net::ListenerTls::implicit;
    if (listener.protocol == Protocol::lmtp) options.dialect = smtp::Dialect::lmtp;
    if (listener.protocol == Protocol::submission) {
        options.auth_required = true;
        options.max_hold = config.submission.max_hold;
    }
    options.max_auth_failures = limits.max_auth_failures;
    options.max_message_size = limits.max_message_size;
    options.max_recipients = limits.max_recipients;
    options.max_messages = limits.max_messages;
    options.max_errors = limits.max_errors;
    options.max_hops = limits.max_hops;
    options.max_command_line = limits.max_command_line;
    options.max_text_line = limits.max_text_line;
    options.strict_8bit = limits.strict_8bit;
    options.bare_newline = limits.bare_newline;
    return std::make_shared<const Settings>(Settings{
        .hostname = config.hostname,
        .name = std::string(name(listener.protocol)) + ' ' + bound.to_string(),
        .listener = listener,
        .options = std::move(options),
        .relay = policy::RelayPolicy(limits.relay_domains),
        .postmaster = mail::parse_address(config.postmaster),
        .tls = config.tls,
        .sampler = config.sampler,
        .trace_peers = config.trace_peers,
        .submission = config.submission,
    });
}

}  // namespace posthorn::mta
