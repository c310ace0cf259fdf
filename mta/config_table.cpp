#include "mta/config_table.hpp"

#include "mail/address.hpp"
#include "net/config_codecs.hpp"

namespace posthorn::mta {
namespace {

using namespace base::config;
using namespace std::chrono_literals;

constexpr std::uint64_t kMaxCommandLine = 4096;
constexpr std::uint64_t kMaxTextLine = std::uint64_t{1} << 20;

Table<SmtpTimeouts> timeouts_table() {
    const auto wait = duration({1s, 24h});
    return Table<SmtpTimeouts>("How long a client may take.", Applies::at_reload)
        .key("command", &SmtpTimeouts::command, wait, "For a command line.")
        .key("data_init", &SmtpTimeouts::data_init, wait, "From our 354 to the first octets of the message.")
        .key("data_block", &SmtpTimeouts::data_block, wait, "For each block of the message.")
        .key("data_termination", &SmtpTimeouts::data_termination, wait, "To take our reply to the whole message.")
        .key("connection", &SmtpTimeouts::connection, wait, "For the session, all in all.");
}

bool good_pattern(std::string_view pattern) {
    if (pattern == "*") return true;
    if (pattern.starts_with("*.")) pattern.remove_prefix(2);
    return !mail::domain_key(pattern).empty();
}

}  // namespace

Table<SmtpConfig> smtp_config_table() {
    using C = SmtpConfig;
    return Table<C>("Receiving mail by SMTP: what holds for all listeners; a listener may differ.",
                    Applies::at_reload)
        .key("max_message_size", &C::max_message_size, size<std::uint64_t>({0, std::uint64_t{1} << 40U}),
             "Largest message; 0B: no limit.")
        .key("max_recipients", &C::max_recipients, integer<std::uint32_t>({1, 50'000}),
             "Recipients of one message.")
        .key("max_messages", &C::max_messages, integer<std::uint32_t>(), "Messages of one session; 0: no limit.")
        .key("max_connections", &C::max_connections, integer<std::uint32_t>({1, 1'000'000}), "Sessions in all.")
        .key("max_connections_per_client", &C::max_connections_per_client, integer<std::uint32_t>({1, 1'000'000}),
             "Sessions of one client address; an IPv6 client is its /64.")
        .key("max_errors", &C::max_errors, integer<std::uint32_t>({1, 1'000'000}),
             "Refusals in a row after which a session is ended.")
        .key("max_hops", &C::max_hops, integer<std::uint32_t>({1, 1000}),
             "Received fields of a message; more is a mail loop.")
        .key("max_command_line", &C::max_command_line, size<std::uint64_t>({512, kMaxCommandLine}),
             "Longest command line, line end included.")
        .key("max_text_line", &C::max_text_line, size<std::uint64_t>({1000, kMaxTextLine}),
             "Longest line of a message, line end included.")
        .key("auth", &C::auth, flag(),
             "Offer AUTH on listeners with protocol \"smtp\" too; who logs in may send to any domain.")
        .key("max_auth_failures", &C::max_auth_failures, integer<std::uint32_t>({1, 1000}),
             "Failed logins after which a session is ended.")
        .key("plaintext_auth_networks", &C::plaintext_auth_networks, list(net::network_codec()),
             "Clients that may send passwords and tokens without TLS.")
        .key("strict_8bit", &C::strict_8bit, flag(), "Refuse 8-bit text that was not declared by BODY=8BITMIME.")
        .key("bare_newline", &C::bare_newline,
             choice<smtp::BareNewline>(
                 {{"reject", smtp::BareNewline::reject}, {"normalise", smtp::BareNewline::normalise}}),
             "A CR or LF that is not part of CRLF in a message.")
        .key("xclient_networks", &C::xclient_networks, list(net::network_codec()),
             "Clients that may tell by XCLIENT for whom they speak.")
        .key("proxy_networks", &C::proxy_networks, list(net::network_codec()),
             "Clients that begin with a PROXY header (v1 or v2).")
        .key("relay_networks", &C::relay_networks, list(net::network_codec()),
             "Clients that may send to any domain.")
        .key("relay_domains", &C::relay_domains, list(text()),
             "Domains anybody may send to; \"*.example.org\" is all names below one.")
        .section("timeouts", &C::timeouts, timeouts_table())
        .check([](const C& config, const Report& report) {
            for (const auto& domain : config.relay_domains) {
                if (!good_pattern(domain))
                    report("relay_domains",
                           "holds " + quoted(domain) + R"(, which is neither a domain nor "*.domain")");
            }
            if (config.max_connections_per_client > config.max_connections)
                report("max_connections_per_client", "is more than max_connections");
        });
}

Table<SubmissionConfig> submission_config_table() {
    using C = SubmissionConfig;
    return Table<C>("What our own users may send: who has logged in, wherever.", Applies::at_reload)
        .key("sender_ownership", &C::sender_ownership, flag(),
             "The sender must be the account's own address or an alias that leads to it.")
        .key("max_hold", &C::max_hold, duration({0s, 24h * 365}),
             "How long a message may be held at its sender's wish (FUTURERELEASE); 0s: not offered.")
        .key("messages_per_hour", &C::messages_per_hour, integer<std::uint32_t>(),
             "Messages an account may send in an hour, where the account has no limit of its own; 0: no limit.")
        .key("recipients_per_day", &C::recipients_per_day, integer<std::uint32_t>(),
             "Recipients of an account's messages in a day, likewise; 0: no limit.")
        .key("max_accounts", &C::max_accounts, integer<std::uint32_t>({1, 10'000'000}),
             "Accounts whose sending is counted; beyond that who sent least recently is forgotten.");
}

std::string_view name(Protocol protocol) {
    switch (protocol) {
        case Protocol::smtp: return "smtp";
        case Protocol::submission: return "submission";
        case Protocol::lmtp: return "lmtp";
    }
    return "";
}

}  // namespace posthorn::mta
