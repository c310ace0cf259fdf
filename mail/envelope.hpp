// What travels with a message: from whom, to whom, how it came. Pure values; codec in mail/envelope_codec.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/ulid.hpp"
#include "mail/address.hpp"
#include "mail/trace_context.hpp"

namespace posthorn::mail {

enum class BodyType : std::uint8_t { seven_bit, eight_bit_mime, binary_mime };  // RFC 6152, RFC 3030
enum class DsnReturn : std::uint8_t { unspecified, full, headers };             // RFC 3461 §4.3

// RFC 3461 §4.1: NOTIFY. No bit set: not given (failure and delay are reported, success is not).
namespace notify {
inline constexpr std::uint8_t never = 1;
inline constexpr std::uint8_t success = 2;
inline constexpr std::uint8_t failure = 4;
inline constexpr std::uint8_t delay = 8;
}  // namespace notify

struct Recipient {
    Address address;
    std::uint8_t notify = 0;
    std::string orcpt;  // RFC 3461 §4.2 as received, "rfc822;user+40example.org" (xtext kept); empty: not given
    bool operator==(const Recipient&) const = default;
};

struct ClientInfo {
    std::string ip;  // textual, without brackets; empty for a local submitter
    std::uint16_t port = 0;
    std::string helo;  // as the client gave it
    bool esmtp = false;
    std::string tls_version;  // "TLSv1.3"; empty: plaintext
    std::string tls_cipher;
    std::string auth_user;  // empty: not authenticated
    bool operator==(const ClientInfo&) const = default;
};

// Reserved: what the body's bytes in the spool are encrypted with. Nothing writes it yet; a reader that finds
// `encrypted` set and does not know the algorithm must leave the message alone.
struct Encryption {
    std::string algorithm;
    bool encrypted = false;
    bool operator==(const Encryption&) const = default;
};

struct Envelope {
    base::Ulid id;
    base::Ulid origin;     // the message whose recipients an alias led to these; zero: it is none of an alias
    Address reverse_path;  // empty: "<>", a DSN
    std::vector<Recipient> recipients;
    BodyType body = BodyType::seven_bit;
    bool smtputf8 = false;
    DsnReturn ret = DsnReturn::unspecified;
    std::string envid;  // xtext as received
    ClientInfo client;
    std::string listener;  // "smtp [::]:25"
    base::WallTime arrival{};
    base::WallTime hold_until{};    // RFC 4865: not to be tried before; zero: at once
    std::uint64_t body_size = 0;    // octets, without trace_headers
    std::string header_message_id;  // Message-ID as found in the header; for logs only
    std::string trace_headers;      // ready to send, CRLF at each line end, goes out before the body
    // LMTP said 250 for each recipient after it had looked at their quotas (RFC 2033 §4.2): none of them is told otherwise.
    bool promised = false;
    TraceContext trace;
    std::map<std::string, std::string> metadata;  // plugin key-values, the listener's context
    Encryption encryption;
    bool operator==(const Envelope&) const = default;
};

}  // namespace posthorn::mail
