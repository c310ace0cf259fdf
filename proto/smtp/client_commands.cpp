#include "proto/smtp/client_commands.hpp"

#include "base/ascii.hpp"
#include "mail/xtext.hpp"

namespace posthorn::smtp {
namespace {

using mail::Address;
using mail::BodyType;

// RFC 3461 §4.4 and §4.2 (xtext of a mailbox of 320 octets at most three times as long, rounded up).
constexpr std::size_t kMaxEnvid = 100;
constexpr std::size_t kMaxOrcpt = 1000;

mail::Outcome refusal(std::string_view status, std::string text) {
    mail::Outcome outcome;
    outcome.kind = mail::Outcome::Kind::permanent;
    outcome.status = status;
    outcome.text = std::move(text);
    return outcome;
}

// Without SMTPUTF8 a domain goes as A-labels; a local part has no such form.
std::string path(const Address& address, const Capabilities& server) {
    if (address.ascii() || server.smtputf8) return '<' + address.to_string() + '>';
    return '<' + Address{address.local, mail::domain_key(address.domain)}.to_string() + '>';
}

bool speakable(const Address& address, const Capabilities& server) {
    if (server.smtputf8 || address.ascii()) return true;
    return base::is_ascii(address.local) && !mail::domain_key(address.domain).empty();
}

bool international(const ClientMessage& message) {
    const auto& envelope = *message.envelope;
    if (envelope.smtputf8 || message.utf8_header || !envelope.reverse_path.ascii()) return true;
    for (const auto index : message.recipients) {
        if (!envelope.recipients[index].address.ascii()) return true;
    }
    return false;
}

std::string notify_list(std::uint8_t bits) {
    if ((bits & mail::notify::never) != 0) return "NEVER";
    std::string list;
    const auto add = [&](std::uint8_t bit, std::string_view word) {
        if ((bits & bit) == 0) return;
        if (!list.empty()) list += ',';
        list += word;
    };
    add(mail::notify::success, "SUCCESS");
    add(mail::notify::failure, "FAILURE");
    add(mail::notify::delay, "DELAY");
    return list;
}

// RFC 6533 §3: a utf-8 address may stand as it is only where SMTPUTF8 does.
std::string orcpt_for(const std::string& orcpt, const Capabilities& server) {
    if (server.smtputf8 || base::is_ascii(orcpt)) return orcpt;
    const auto semicolon = orcpt.find(';');
    const auto decoded = mail::utf8_addr_decode(std::string_view(orcpt).substr(semicolon + 1));
    if (semicolon == std::string::npos || !decoded) return {};
    return orcpt.substr(0, semicolon + 1) + mail::utf8_addr_xtext_encode(*decoded);
}

}  // namespace

std::optional<mail::Outcome> impassable(const ClientMessage& message, const Capabilities& server, EightBit policy) {
    const auto& envelope = *message.envelope;
    if (server.max_size != 0 && message.size > server.max_size) {
        return refusal("5.3.4", "The message has " + std::to_string(message.size) + " octets, the server takes " +
                                    std::to_string(server.max_size));
    }
    if (envelope.body == BodyType::binary_mime && !(server.binary_mime && server.chunking)) {
        return refusal("5.6.1", "The message is BINARYMIME, which the server does not take");
    }
    if (envelope.body == BodyType::eight_bit_mime && !server.eight_bit_mime && policy == EightBit::bounce) {
        return refusal("5.6.3", "The message is 8BITMIME, which the server does not take");
    }
    if (!server.smtputf8 && (message.utf8_header || !speakable(envelope.reverse_path, server))) {
        return refusal("5.6.7", "The message needs SMTPUTF8, which the server does not know");
    }
    return std::nullopt;
}

std::optional<mail::Outcome> impassable(const mail::Recipient& recipient, const Capabilities& server) {
    if (speakable(recipient.address, server)) return std::nullopt;
    return refusal("5.6.7", "The address needs SMTPUTF8, which the server does not know");
}

std::string mail_command(const ClientMessage& message, const Capabilities& server) {
    const auto& envelope = *message.envelope;
    std::string line = "MAIL FROM:" + path(envelope.reverse_path, server);
    if (server.size) line += " SIZE=" + std::to_string(message.size);
    if (envelope.body == BodyType::binary_mime) line += " BODY=BINARYMIME";
    if (envelope.body == BodyType::eight_bit_mime && server.eight_bit_mime) line += " BODY=8BITMIME";
    if (server.smtputf8 && international(message)) line += " SMTPUTF8";
    if (server.trace && !message.trace.empty()) line += " XTRACE=" + message.trace;
    if (!server.dsn) return line;
    if (envelope.ret == mail::DsnReturn::full) line += " RET=FULL";
    if (envelope.ret == mail::DsnReturn::headers) line += " RET=HDRS";
    if (!envelope.envid.empty() && envelope.envid.size() <= kMaxEnvid) line += " ENVID=" + envelope.envid;
    return line;
}

std::string rcpt_command(const mail::Recipient& recipient, const Capabilities& server) {
    std::string line = "RCPT TO:" + path(recipient.address, server);
    if (!server.dsn) return line;
    if (const auto list = notify_list(recipient.notify); !list.empty()) line += " NOTIFY=" + list;
    if (recipient.orcpt.empty() || recipient.orcpt.size() > kMaxOrcpt) return line;
    if (const auto orcpt = orcpt_for(recipient.orcpt, server); !orcpt.empty()) line += " ORCPT=" + orcpt;
    return line;
}

bool use_chunks(const ClientMessage& message, const Capabilities& server) {
    if (!server.chunking) return false;
    return message.envelope->body == BodyType::binary_mime || message.size > kChunkSize;
}

}  // namespace posthorn::smtp
