#include "mail/received.hpp"

#include <array>

#include "base/ascii.hpp"
#include "mail/date.hpp"

namespace posthorn::mail {
namespace {

std::string literal_of(std::string_view ip) {
    std::string out = ip.find(':') == std::string_view::npos ? "[" : "[IPv6:";
    out += ip;
    return out += ']';
}

// What the client called itself, in a form that may stand here.
std::string from_domain(const Envelope& envelope) {
    const auto& helo = envelope.client.helo;
    if (!helo.empty() && (envelope.smtputf8 || base::is_ascii(helo))) return helo;
    if (auto ascii = domain_key(helo); !ascii.empty()) return ascii;
    return envelope.client.ip.empty() ? "localhost" : literal_of(envelope.client.ip);
}

}  // namespace

std::string_view with_keyword(const ClientInfo& client, bool smtputf8, bool lmtp) {
    static constexpr std::array<std::string_view, 4> plain{"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
    static constexpr std::array<std::string_view, 4> utf8{"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
    static constexpr std::array<std::string_view, 4> local{"LMTP", "LMTPS", "LMTPA", "LMTPSA"};
    static constexpr std::array<std::string_view, 4> utf8_local{"UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA"};
    if (!client.esmtp) return "SMTP";
    const std::size_t kind = (client.tls_version.empty() ? 0U : 1U) + (client.auth_user.empty() ? 0U : 2U);
    if (lmtp) return (smtputf8 ? utf8_local : local)[kind];
    return (smtputf8 ? utf8 : plain)[kind];
}

std::string received_field(const Envelope& envelope, std::string_view by, bool lmtp) {
    const auto& client = envelope.client;
    std::string out;
    out.reserve(320);
    out += "Received: from ";
    out += from_domain(envelope);
    if (!client.ip.empty()) ((out += " (") += literal_of(client.ip)) += ')';
    ((out += "\r\n\tby ") += by) += " with ";
    out += with_keyword(client, envelope.smtputf8, lmtp);
    if (!client.tls_version.empty()) {
        (((out += " (") += client.tls_version) += ' ') += client.tls_cipher;
        out += ')';
    }
    (out += "\r\n\tid ") += envelope.id.to_string();
    if (envelope.recipients.size() == 1) {
        const auto& recipient = envelope.recipients.front().address;
        if (envelope.smtputf8 || recipient.ascii()) ((out += "\r\n\tfor <") += recipient.to_string()) += '>';
    }
    return ((out += ";\r\n\t") += date_text(envelope.arrival)) += "\r\n";
}

}  // namespace posthorn::mail
