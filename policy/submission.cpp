#include "policy/submission.hpp"

#include <fmt/format.h>

#include "base/ascii.hpp"
#include "mail/date.hpp"

namespace posthorn::policy {
namespace {

bool has_field(std::string_view header, std::string_view name) {
    while (!header.empty()) {
        const auto end = header.find("\r\n");
        const auto line = header.substr(0, end);
        if (line.size() > name.size() && base::istarts_with(line, name)) {
            const auto rest = line.substr(name.size());
            const auto colon = rest.find_first_not_of(" \t");  // RFC 5322 §4.5: space before the colon, of old
            if (colon != std::string_view::npos && rest[colon] == ':') return true;
        }
        header = end == std::string_view::npos ? "" : header.substr(end + 2);
    }
    return false;
}

}  // namespace

void complete_dropped(mail::Envelope& envelope, unsigned uid, std::string_view header, std::string_view hostname) {
    const auto id = envelope.id.to_string();
    const auto date = mail::date_text(envelope.arrival);
    // RFC 5321 §4.4 wants a FROM for what came by SMTP; this did not.
    auto& out = envelope.trace_headers;
    out +=
        fmt::format("Received: by {} (Posthorn, from userid {})\r\n\tid {};\r\n\t{}\r\n", hostname, uid, id, date);
    complete_submitted(envelope, has_field(header, "date"), has_field(header, "message-id"), hostname);
}

void complete_submitted(mail::Envelope& envelope, bool has_date, bool has_message_id, std::string_view hostname) {
    auto& out = envelope.trace_headers;
    if (!has_date) out += fmt::format("Date: {}\r\n", mail::date_text(envelope.arrival));
    if (has_message_id) return;
    envelope.header_message_id = fmt::format("<{}@{}>", envelope.id.to_string(), hostname);
    out += fmt::format("Message-ID: {}\r\n", envelope.header_message_id);
}

}  // namespace posthorn::policy
