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
    if (!has_field(header, "date")) out += fmt::format("Date: {}\r\n", date);
    if (!has_field(header, "message-id")) {
        const auto message_id = fmt::format("<{}@{}>", id, hostname);
        out += fmt::format("Message-ID: {}\r\n", message_id);
        envelope.header_message_id = message_id;
    }
}

}  // namespace posthorn::policy
