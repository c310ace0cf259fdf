#include "mail/dsn_fields.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "mail/date.hpp"
#include "mail/xtext.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kColumns = 78;
constexpr std::size_t kMaxWord = 900;    // octets without a space; RFC 5322 §2.1.1 has lines of 998 at most
constexpr std::size_t kMaxValue = 2000;  // octets of one field: a server's reply has 1000 at most

std::string_view name(DsnAction action) {
    switch (action) {
        case DsnAction::failed: return "failed";
        case DsnAction::delayed: return "delayed";
        case DsnAction::delivered: return "delivered";
        case DsnAction::relayed: return "relayed";
        case DsnAction::expanded: break;
    }
    return "expanded";
}

// RFC 3464 §2.1.2, RFC 6533 §3: an address with its type. In a field that is ASCII, UTF-8 goes as unitext escapes.
std::string typed_address(std::string_view address, bool global) {
    if (base::is_ascii(address)) return "rfc822; " + std::string(address);
    return "utf-8; " + (global ? std::string(address) : utf8_addr_xtext_encode(address));
}

std::string original_recipient(const Recipient& recipient, bool global) {
    const auto original = parse_orcpt(recipient.orcpt);
    if (!original) return {};
    if (base::iequals(original->type, "rfc822") || base::iequals(original->type, "utf-8")) {
        return typed_address(original->address, global);
    }
    return original->type + "; " + original->address;
}

std::string diagnostic(const Outcome& outcome) {
    // RFC 3464 §2.3.6: what is ours and no reply of a server has a type of its own.
    if (outcome.code == 0) return outcome.text.empty() ? std::string{} : "x-posthorn; " + outcome.text;
    auto text = "smtp; " + std::to_string(outcome.code);
    if (!outcome.status.empty()) (text += ' ') += outcome.status;
    if (!outcome.text.empty()) (text += ' ') += outcome.text;
    return text;
}

bool status_code(std::string_view text) {
    int dots = 0;
    bool digit = false;
    for (const char c : text) {
        if (c == '.' && digit) {
            ++dots;
            digit = false;
        } else if (base::is_digit(c)) {
            digit = true;
        } else {
            return false;
        }
    }
    return dots == 2 && digit && text[1] == '.' && (text[0] == '2' || text[0] == '4' || text[0] == '5');
}

std::string recipient_fields(const DsnRequest& request, const DsnRecipient& about, bool global) {
    std::string out = "\r\n";
    const auto field = [&](std::string_view key, std::string_view value) {
        if (!value.empty()) out += header_field(key, value, global);
    };
    field("Original-Recipient", original_recipient(about.recipient, global));
    field("Final-Recipient", typed_address(about.recipient.address.to_string(), global));
    field("Action", name(about.action));
    field("Status", sound_status(about));
    if (!about.outcome.remote_host.empty()) field("Remote-MTA", "dns; " + about.outcome.remote_host);
    field("Diagnostic-Code", diagnostic(about.outcome));
    if (about.outcome.at != base::WallTime{}) field("Last-Attempt-Date", date_text(about.outcome.at));
    // RFC 3464 §2.3.9: of delays alone.
    if (about.action == DsnAction::delayed && request.retry_until) {
        field("Will-Retry-Until", date_text(*request.retry_until));
    }
    return out;
}

}  // namespace

std::string header_field(std::string_view name, std::string_view value, bool utf8) {
    auto text = base::printable(value, kMaxValue);
    if (!utf8) {
        for (char& c : text) c = base::is_ascii(c) ? c : '?';
    }
    std::string out(name);
    out += ':';
    auto column = out.size();
    bool first = true;
    for (std::string_view rest = text; !rest.empty(); first = false) {
        const auto start = rest.find_first_not_of(' ');
        if (start == std::string_view::npos) break;
        // A word with the spaces before it, so that unfolding gives the value back; of a monstrous one a part.
        auto word = rest.substr(0, std::min(rest.find(' ', start), rest.size()));
        word = word.substr(0, base::printable(word, kMaxWord).size());
        if (!first && column + word.size() > kColumns) {
            out += "\r\n";
            column = 0;
        }
        if (word.front() != ' ' && (first || column == 0)) out += ' ';
        out += word;
        column += word.size();
        rest.remove_prefix(word.size());
    }
    return out += "\r\n";
}

std::string sound_status(const DsnRecipient& recipient) {
    const auto& status = recipient.outcome.status;
    const bool success = recipient.action != DsnAction::failed && recipient.action != DsnAction::delayed;
    if (status_code(status) && (status[0] == '2') == success) return status;
    if (success) return "2.0.0";
    if (recipient.action == DsnAction::delayed) return "4.0.0";
    return recipient.expired ? "4.4.7" : "5.0.0";  // RFC 3463 §3.5: delivery time expired
}

std::string dsn_fields(const DsnRequest& request, bool global) {
    std::string out = header_field("Reporting-MTA", "dns; " + request.reporting_mta, global);
    if (const auto envid = xtext_decode(request.parent->envid); envid && !envid->empty()) {
        out += header_field("Original-Envelope-Id", *envid, global);
    }
    out += header_field("Arrival-Date", date_text(request.parent->arrival), global);
    for (const auto& recipient : request.recipients) out += recipient_fields(request, recipient, global);
    return out;
}

}  // namespace posthorn::mail
