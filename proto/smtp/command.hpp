// The grammar of SMTP commands: a line without its CRLF becomes a verb and a checked argument. Pure; views point
// into the line.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "mail/address.hpp"
#include "mail/envelope.hpp"

namespace posthorn::smtp {

enum class Verb : std::uint8_t {
    helo,
    ehlo,
    lhlo,
    mail,
    rcpt,
    data,
    bdat,
    rset,
    vrfy,
    expn,
    help,
    noop,
    quit,
    starttls,
    auth,
    xclient,
    unknown,
};

std::string_view name(Verb verb);  // "MAIL"; "?" for unknown

struct Command {
    Verb verb = Verb::unknown;
    std::string_view argument;  // what follows the verb, without the spaces around it
};

Command parse_command(std::string_view line);

// Why a command was refused; the texts are string literals.
struct Fault {
    int code;
    std::string_view status;  // RFC 3463
    std::string_view text;
};

template <class T>
using Parsed = std::expected<T, Fault>;

// HELO and EHLO: a name or an address literal. What is said is not believed (RFC 5321 §4.1.4), so only what would
// spoil a Received field or a log line is refused.
Parsed<std::string_view> parse_helo(std::string_view argument);

struct BdatArgument {
    std::uint64_t size = 0;
    bool last = false;
};
struct AuthArgument {
    std::string_view mechanism;
    std::optional<std::string> initial;  // decoded; "=" is an empty one
};
// RFC 4954 §4: "mechanism [initial-response]".
Parsed<AuthArgument> parse_auth(std::string_view argument);

Parsed<BdatArgument> parse_bdat(std::string_view argument);  // RFC 3030 §2

struct MailArgument {
    mail::Address from;      // empty: "<>"
    std::uint64_t size = 0;  // RFC 1870; 0: not given
    mail::BodyType body = mail::BodyType::seven_bit;
    bool smtputf8 = false;  // RFC 6531 §3.4
    mail::DsnReturn ret = mail::DsnReturn::unspecified;
    std::string envid;  // xtext as received
    std::string auth;   // RFC 4954 §5, xtext as received; nobody believes it
    bool has_auth = false;
    std::optional<std::uint32_t> hold_for;  // RFC 4865, seconds
    std::optional<base::WallTime> hold_until;
    std::string trace;  // XTRACE, between our own nodes: a W3C traceparent as received
};
Parsed<MailArgument> parse_mail(std::string_view argument);  // "FROM:<...> ..."

// `smtputf8`: the transaction's MAIL had it. "<postmaster>" without a domain is taken (RFC 5321 §4.5.1).
Parsed<mail::Recipient> parse_rcpt(std::string_view argument, bool smtputf8);  // "TO:<...> ..."

}  // namespace posthorn::smtp
