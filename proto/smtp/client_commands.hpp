// The commands of one transaction, and what cannot be said to a given server. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mail/envelope.hpp"
#include "proto/smtp/client_capabilities.hpp"
#include "proto/smtp/client_types.hpp"

namespace posthorn::smtp {

struct ClientMessage {
    const mail::Envelope* envelope = nullptr;  // lives until the transaction has ended
    std::vector<std::uint32_t> recipients;     // indices into envelope->recipients
    std::uint64_t size = 0;                    // octets to be sent: trace headers and body
    bool utf8_header = false;                  // the header holds more than ASCII (RFC 6532)
    std::string trace;                         // a traceparent for one of our own nodes; empty: none
};

// Why this message cannot go to this server at all (RFC 1870 §6.1, 3030 §3, 6152 §3, 6531 §3.2): permanent, nothing
// is sent. Nothing: it can, as far as the message itself and its sender are concerned.
std::optional<mail::Outcome> impassable(const ClientMessage& message, const Capabilities& server, EightBit policy);

// The same for one recipient.
std::optional<mail::Outcome> impassable(const mail::Recipient& recipient, const Capabilities& server);

// Without the line end. Parameters are passed on that the server offers to take.
std::string mail_command(const ClientMessage& message, const Capabilities& server);
std::string rcpt_command(const mail::Recipient& recipient, const Capabilities& server);

// BDAT rather than DATA: where nothing else will do (BINARYMIME), and for what is larger than one chunk, since a
// server can refuse between chunks what it would have to swallow whole after DATA.
bool use_chunks(const ClientMessage& message, const Capabilities& server);
inline constexpr std::uint64_t kChunkSize = std::uint64_t{1} << 20;  // octets

}  // namespace posthorn::smtp
