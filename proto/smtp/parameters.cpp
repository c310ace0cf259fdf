// MAIL and RCPT: the path and the parameters of the extensions we offer.
#include <charconv>
#include <optional>

#include "base/ascii.hpp"
#include "base/units.hpp"
#include "base/utf8.hpp"
#include "mail/xtext.hpp"
#include "proto/smtp/command.hpp"

namespace posthorn::smtp {
namespace {

constexpr std::size_t kMaxEnvid = 100;  // RFC 3461 §4.4, octets
constexpr std::size_t kMaxOrcpt = 500;  // RFC 3461 §4.2, octets

constexpr std::size_t kMaxAuth = 500;      // RFC 4954 §3 (6), octets
constexpr std::size_t kMaxHoldDigits = 9;  // RFC 4865 §4
constexpr std::size_t kMaxTrace = 100;     // octets; a traceparent has 55

constexpr Fault kBadParameter{501, "5.5.4", "Malformed parameter"};
constexpr Fault kUnknownParameter{555, "5.5.4", "Unsupported parameter"};
constexpr Fault kRepeated{501, "5.5.4", "Parameter given twice"};
constexpr Fault kNeedsUtf8{553, "5.6.7", "Address needs SMTPUTF8"};

struct PathText {
    std::string_view path;  // between the brackets
    std::string_view rest;  // the parameters
};

// "<...>" at the start of `text`; a ">" inside a quoted string does not end it.
std::optional<PathText> bracketed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);  // sent by many, harmless
    if (!text.starts_with('<')) return std::nullopt;
    bool quoted = false;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (quoted && text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (text[i] == '>' && !quoted) {
            const auto rest = text.substr(i + 1);
            if (!rest.empty() && rest.front() != ' ') return std::nullopt;
            return PathText{text.substr(1, i - 1), rest};
        }
    }
    return std::nullopt;
}

// RFC 5321 §4.1.2 A-d-l: "@relay,@relay:" before the mailbox is accepted and ignored (appendix C).
std::optional<std::string_view> without_route(std::string_view path) {
    if (!path.starts_with('@')) return path;
    const auto colon = path.find(':');
    // A domain in a route may be an IPv6 literal, with colons of its own.
    if (colon == std::string_view::npos || path.substr(0, colon).contains('[')) return std::nullopt;
    auto route = path.substr(0, colon);
    while (true) {
        const auto comma = route.find(',');
        const auto hop = route.substr(0, comma);
        if (!hop.starts_with('@') || mail::domain_key(hop.substr(1)).empty()) return std::nullopt;
        if (comma == std::string_view::npos) return path.substr(colon + 1);
        route.remove_prefix(comma + 1);
    }
}

struct Parameter {
    std::string_view keyword;
    std::string_view value;
    bool has_value = false;
};

// RFC 5321 §4.1.2 esmtp-param; RFC 6531 §3.3 lets UTF-8 into the value.
Parsed<Parameter> take_parameter(std::string_view& rest) {
    const auto word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    while (rest.starts_with(' ')) rest.remove_prefix(1);

    const auto equals = word.find('=');
    Parameter out{.keyword = word.substr(0, equals)};
    if (out.keyword.empty() || out.keyword.front() == '-') return std::unexpected(kBadParameter);
    for (const char c : out.keyword) {
        if (!base::is_alnum(c) && c != '-') return std::unexpected(kBadParameter);
    }
    if (equals == std::string_view::npos) return out;
    out.has_value = true;
    out.value = word.substr(equals + 1);
    if (out.value.empty() || !base::valid_utf8(out.value)) return std::unexpected(kBadParameter);
    for (const char c : out.value) {
        if (c == '=' || (base::is_ascii(c) && !base::is_print(c))) return std::unexpected(kBadParameter);
    }
    return out;
}

using Outcome = std::expected<void, Fault>;

// Calls `take` with each parameter; stops at the first fault.
template <class Take>
Outcome each_parameter(std::string_view rest, Take take) {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    while (!rest.empty()) {
        const auto parameter = take_parameter(rest);
        if (!parameter) return std::unexpected(parameter.error());
        if (Outcome outcome = take(*parameter); !outcome) return outcome;
    }
    return {};
}

enum MailSeen : unsigned {
    seen_size = 1,
    seen_body = 2,
    seen_utf8 = 4,
    seen_ret = 8,
    seen_envid = 16,
    seen_trace = 32,
    seen_auth = 64,
    seen_hold = 128
};

Outcome once(unsigned& seen, unsigned bit) {
    if (seen & bit) return std::unexpected(kRepeated);
    seen |= bit;
    return {};
}

// RFC 1870 §3: up to 20 digits.
Outcome take_size(MailArgument& out, std::string_view value) {
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, out.size);
    if (error == std::errc::result_out_of_range && stop == end && value.size() <= 20) {
        out.size = UINT64_MAX;  // larger than any limit there is
        return {};
    }
    if (error != std::errc{} || stop != end) return std::unexpected(kBadParameter);
    return {};
}

// RFC 6152 §2, RFC 3030 §3
Outcome take_body(MailArgument& out, std::string_view value) {
    if (base::iequals(value, "7BIT")) {
        out.body = mail::BodyType::seven_bit;
    } else if (base::iequals(value, "8BITMIME")) {
        out.body = mail::BodyType::eight_bit_mime;
    } else if (base::iequals(value, "BINARYMIME")) {
        out.body = mail::BodyType::binary_mime;
    } else {
        return std::unexpected(Fault{501, "5.5.4", "BODY is 7BIT, 8BITMIME or BINARYMIME"});
    }
    return {};
}

// RFC 3461 §4.3
Outcome take_ret(MailArgument& out, std::string_view value) {
    if (base::iequals(value, "FULL")) {
        out.ret = mail::DsnReturn::full;
    } else if (base::iequals(value, "HDRS")) {
        out.ret = mail::DsnReturn::headers;
    } else {
        return std::unexpected(Fault{501, "5.5.4", "RET is FULL or HDRS"});
    }
    return {};
}

// RFC 4954 §5: a mailbox in xtext, or "<>".
Outcome take_auth(MailArgument& out, std::string_view value) {
    if (value.empty() || value.size() > kMaxAuth) return std::unexpected(kBadParameter);
    if (value != "<>") {
        const auto mailbox = mail::xtext_decode(value);
        if (!mailbox || !mail::parse_address(*mailbox)) return std::unexpected(kBadParameter);
    }
    out.has_auth = true;
    out.auth = value;
    return {};
}

// RFC 4865 §4
Outcome take_hold(MailArgument& out, bool until, std::string_view value) {
    if (until) {
        out.hold_until = base::parse_time(value);
        if (!out.hold_until) return std::unexpected(Fault{501, "5.5.4", "HOLDUNTIL is a date-time of RFC 3339"});
        return {};
    }
    std::uint32_t seconds = 0;
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, seconds);
    if (error != std::errc{} || stop != end || value.size() > kMaxHoldDigits || seconds == 0) {
        return std::unexpected(Fault{501, "5.5.4", "HOLDFOR is a number of seconds"});
    }
    out.hold_for = seconds;
    return {};
}

Outcome take_mail_parameter(MailArgument& out, unsigned& seen, const Parameter& p) {
    if (base::iequals(p.keyword, "SMTPUTF8")) {
        if (p.has_value) return std::unexpected(kBadParameter);
        out.smtputf8 = true;
        return once(seen, seen_utf8);
    }
    unsigned bit = 0;
    Outcome outcome;
    if (base::iequals(p.keyword, "SIZE")) {
        bit = seen_size;
        outcome = take_size(out, p.value);
    } else if (base::iequals(p.keyword, "BODY")) {
        bit = seen_body;
        outcome = take_body(out, p.value);
    } else if (base::iequals(p.keyword, "RET")) {
        bit = seen_ret;
        outcome = take_ret(out, p.value);
    } else if (base::iequals(p.keyword, "ENVID")) {
        bit = seen_envid;
        if (!p.has_value || p.value.size() > kMaxEnvid || !mail::xtext_decode(p.value))
            return std::unexpected(kBadParameter);
        out.envid = p.value;
    } else if (base::iequals(p.keyword, "AUTH")) {
        bit = seen_auth;
        outcome = take_auth(out, p.value);
    } else if (base::iequals(p.keyword, "HOLDFOR") || base::iequals(p.keyword, "HOLDUNTIL")) {
        bit = seen_hold;  // one of them, once
        outcome = take_hold(out, base::iequals(p.keyword, "HOLDUNTIL"), p.value);
    } else if (base::iequals(p.keyword, "XTRACE")) {
        bit = seen_trace;
        if (p.value.empty() || p.value.size() > kMaxTrace) return std::unexpected(kBadParameter);
        out.trace = p.value;
    } else {
        return std::unexpected(kUnknownParameter);
    }
    return outcome ? once(seen, bit) : outcome;
}

// RFC 3461 §4.1: NEVER stands alone.
Outcome take_notify(mail::Recipient& out, std::string_view value) {
    constexpr Fault fault{501, "5.5.4", "NOTIFY is NEVER, or a list of SUCCESS, FAILURE, DELAY"};
    while (true) {
        const auto comma = value.find(',');
        const auto word = value.substr(0, comma);
        std::uint8_t bit = 0;
        if (base::iequals(word, "NEVER")) {
            bit = mail::notify::never;
        } else if (base::iequals(word, "SUCCESS")) {
            bit = mail::notify::success;
        } else if (base::iequals(word, "FAILURE")) {
            bit = mail::notify::failure;
        } else if (base::iequals(word, "DELAY")) {
            bit = mail::notify::delay;
        } else {
            return std::unexpected(fault);
        }
        out.notify |= bit;
        if (comma == std::string_view::npos) break;
        value.remove_prefix(comma + 1);
    }
    if ((out.notify & mail::notify::never) && out.notify != mail::notify::never) return std::unexpected(fault);
    return {};
}

// RFC 3461 §4.2: addr-type ";" xtext; RFC 6533 §3: under SMTPUTF8 the type "utf-8" may carry UTF-8 as it is.
Outcome take_orcpt(mail::Recipient& out, std::string_view value, bool smtputf8) {
    constexpr Fault fault{501, "5.5.4", "ORCPT is type;address in xtext"};
    const auto semicolon = value.find(';');
    if (value.size() > kMaxOrcpt || semicolon == std::string_view::npos || semicolon == 0 ||
        semicolon + 1 == value.size()) {
        return std::unexpected(fault);
    }
    const auto type = value.substr(0, semicolon);
    for (const char c : type) {
        if (!base::is_alnum(c) && c != '-') return std::unexpected(fault);
    }
    const auto address = value.substr(semicolon + 1);
    const bool unicode = smtputf8 && base::iequals(type, "utf-8");
    if (!unicode && !mail::xtext_decode(address)) return std::unexpected(fault);
    out.orcpt = value;
    return {};
}

Outcome take_rcpt_parameter(mail::Recipient& out, const Parameter& p, bool smtputf8) {
    if (base::iequals(p.keyword, "NOTIFY")) {
        if (out.notify != 0) return std::unexpected(kRepeated);
        return take_notify(out, p.value);
    }
    if (base::iequals(p.keyword, "ORCPT")) {
        if (!out.orcpt.empty()) return std::unexpected(kRepeated);
        return take_orcpt(out, p.value, smtputf8);
    }
    return std::unexpected(kUnknownParameter);
}

}  // namespace

Parsed<MailArgument> parse_mail(std::string_view argument) {
    constexpr Fault bad_address{501, "5.1.7", "Malformed sender address"};
    if (!base::istarts_with(argument, "FROM:")) {
        return std::unexpected(Fault{501, "5.5.4", "Syntax: MAIL FROM:<address>"});
    }
    const auto text = bracketed(argument.substr(5));
    if (!text) return std::unexpected(bad_address);
    MailArgument out;
    if (!text->path.empty()) {
        const auto mailbox = without_route(text->path);
        auto address = mailbox ? mail::parse_address(*mailbox) : std::nullopt;
        if (!address) return std::unexpected(bad_address);
        out.from = std::move(*address);
    }
    unsigned seen = 0;
    const Outcome outcome =
        each_parameter(text->rest, [&](const Parameter& p) { return take_mail_parameter(out, seen, p); });
    if (!outcome) return std::unexpected(outcome.error());
    // RFC 6531 §3.4
    if (!out.smtputf8 && !out.from.ascii()) return std::unexpected(kNeedsUtf8);
    return out;
}

Parsed<mail::Recipient> parse_rcpt(std::string_view argument, bool smtputf8) {
    constexpr Fault bad_address{501, "5.1.3", "Malformed recipient address"};
    if (!base::istarts_with(argument, "TO:")) {
        return std::unexpected(Fault{501, "5.5.4", "Syntax: RCPT TO:<address>"});
    }
    const auto text = bracketed(argument.substr(3));
    if (!text) return std::unexpected(bad_address);
    mail::Recipient out;
    if (base::iequals(text->path, "postmaster")) {
        out.address.local = text->path;
    } else {
        const auto mailbox = without_route(text->path);
        auto address = mailbox ? mail::parse_address(*mailbox) : std::nullopt;
        if (!address) return std::unexpected(bad_address);
        out.address = std::move(*address);
    }
    const Outcome outcome =
        each_parameter(text->rest, [&](const Parameter& p) { return take_rcpt_parameter(out, p, smtputf8); });
    if (!outcome) return std::unexpected(outcome.error());
    if (!smtputf8 && !out.address.ascii()) return std::unexpected(kNeedsUtf8);
    return out;
}

}  // namespace posthorn::smtp
