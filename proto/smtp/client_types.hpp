// What the client side of SMTP and LMTP is told and answers: plain values, shared by the session machine
// (proto/smtp/client_session.hpp) and its driver.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mail/envelope.hpp"
#include "mail/outcome.hpp"

namespace posthorn::smtp {

// TLS to the next hop. `none`: plaintext. `may`: TLS unverified where offered, else plaintext. `require`: TLS, not
// verified. `verify`: chain and name. The machine only knows whether to insist; what is verified is the driver's.
enum class TlsPolicy : std::uint8_t { none, may, require, verify };

// A body declared 8BITMIME meets a server that does not offer it: send as it is, or fail with 5.6.3.
enum class EightBit : std::uint8_t { send, bounce };

// For a smarthost. Offered only over TLS, unless `plaintext`.
struct Credentials {
    std::string user;
    std::string password;
    bool plaintext = false;
};

// Which of the configured time-outs bounds an action.
enum class ClientTimeout : std::uint8_t {
    connect,   // the greeting
    ehlo,      // EHLO, HELO, LHLO; AUTH
    starttls,  // STARTTLS and the handshake
    mail_from,
    rcpt_to,
    data,      // DATA's 354, each piece of the body
    data_end,  // the answer to the whole message: cut short, it makes duplicates (RFC 5321 §4.5.3.2.6)
    quit,      // QUIT and RSET
};

// How far a failure reaches: where the caller may look for better luck.
enum class FailureScope : std::uint8_t {
    none,       // delivered
    session,    // nothing was said about message or recipient: another address of the destination may do better
    host,       // the server lacks what message or address needs, or takes less: another host may have it
    message,    // MAIL, DATA or the body was refused, or the message cannot pass here: all recipients share it
    recipient,  // this recipient was refused
};

struct RecipientResult {
    mail::Outcome outcome;  // remote_host, remote_ip and `at` are the driver's to fill
    FailureScope scope = FailureScope::session;
    // The server has had as many recipients, or messages, as it takes at once: this one may be sent without delay in
    // another transaction, and was no attempt.
    bool one_too_many = false;
    // Delivered, and the server knows RFC 3461: it answers for DSNs now. Delivered and false: a "relayed" DSN is
    // ours to make where success was asked for.
    bool dsn_passed_on = false;

    bool taken() const { return outcome.kind == mail::Outcome::Kind::delivered; }
};

}  // namespace posthorn::smtp
