#include "mail/dsn.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "mail/date.hpp"
#include "mail/dsn_fields.hpp"
#include "mail/dsn_text.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxReturnedLine = 998;  // octets without CRLF, RFC 5322 §2.1.1

// What goes back of the message, and in which encoding.
struct Returned {
    bool whole = false;
    bool global = false;  // RFC 6533: types that may hold UTF-8
    bool eight_bit = false;
};

bool failure(const DsnRequest& request) { return request.recipients.front().action == DsnAction::failed; }

bool international(const DsnRequest& request) {
    const auto& parent = *request.parent;
    if (parent.smtputf8 || !parent.reverse_path.ascii()) return true;
    return std::ranges::any_of(request.recipients, [](const auto& r) { return !r.recipient.address.ascii(); });
}

Returned returned(const DsnRequest& request) {
    const auto& parent = *request.parent;
    Returned out;
    out.global = international(request);
    out.eight_bit = out.global || parent.body != BodyType::seven_bit;
    // RFC 3461 §4.3: RET speaks of failures; other DSNs bring the header alone. A binary body would need BINARYMIME
    // all the way back (RFC 3030 §4).
    if (!failure(request) || parent.body == BodyType::binary_mime) return out;
    if (parent.ret == DsnReturn::full) out.whole = true;
    if (parent.ret == DsnReturn::unspecified) out.whole = parent.body_size <= request.max_returned;
    return out;
}

std::string_view returned_type(const Returned& part) {
    if (part.whole) return part.global ? "message/global" : "message/rfc822";
    return part.global ? "message/global-headers" : "text/rfc822-headers";
}

// A Message-ID that was found in a header is its author's to choose: it must not bring lines of its own.
bool sound_message_id(std::string_view id) {
    if (id.size() < 3 || id.size() > 500 || id.front() != '<' || id.back() != '>') return false;
    return std::ranges::all_of(id, [](char c) { return c > ' ' && c <= '~'; });
}

std::string message_header(const DsnRequest& request, const std::string& boundary, bool eight_bit, bool utf8) {
    const auto& parent = *request.parent;
    std::string out;
    const auto field = [&](std::string_view name, std::string_view value) {
        out += header_field(name, value, utf8);
    };
    const auto author = request.postmaster.empty() ? "postmaster@" + request.reporting_mta : request.postmaster;
    field("From", "Mail Delivery System <" + author + '>');
    field("To", '<' + parent.reverse_path.to_string() + '>');
    field("Subject", dsn_subject(request.recipients.front().action));
    field("Date", date_text(request.now));
    field("Message-ID", '<' + request.id.to_string() + '@' + request.reporting_mta + '>');
    if (sound_message_id(parent.header_message_id)) {
        field("In-Reply-To", parent.header_message_id);
        field("References", parent.header_message_id);
    }
    field("Auto-Submitted", "auto-replied");  // RFC 3834 §5
    field("MIME-Version", "1.0");
    field("Content-Type", "multipart/report; report-type=delivery-status; boundary=\"" + boundary + '"');
    if (eight_bit) field("Content-Transfer-Encoding", "8bit");
    return out;
}

std::string part_header(const std::string& boundary, std::string_view type, bool eight_bit) {
    std::string out = "\r\n--" + boundary + "\r\nContent-Type: ";
    out += type;
    out += "\r\n";
    if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
    return out += "\r\n";
}

}  // namespace

bool dsn_owed(const Address& reverse_path, const Recipient& recipient, DsnAction action) {
    if (reverse_path.empty() || (recipient.notify & notify::never) != 0) return false;
    switch (action) {
        // RFC 3461 §4.1: without NOTIFY failures are reported, and delays where the server likes to.
        case DsnAction::failed: return recipient.notify == 0 || (recipient.notify & notify::failure) != 0;
        case DsnAction::delayed: return recipient.notify == 0 || (recipient.notify & notify::delay) != 0;
        default: return (recipient.notify & notify::success) != 0;
    }
}

Dsn make_dsn(const DsnRequest& request) {
    const auto& parent = *request.parent;
    const auto part = returned(request);
    const auto boundary = "=_" + request.id.to_string();
    const auto text = dsn_text(request, part.whole);
    const auto fields = dsn_fields(request, part.global);
    const bool text_eight_bit = !base::is_ascii(text);
    const bool eight_bit = part.eight_bit || text_eight_bit || !base::is_ascii(parent.trace_headers);

    Dsn dsn;
    dsn.prefix = message_header(request, boundary, eight_bit, part.global);
    dsn.prefix += part_header(boundary, "text/plain; charset=utf-8", text_eight_bit);
    dsn.prefix += text;
    dsn.prefix += part_header(boundary, part.global ? "message/global-delivery-status" : "message/delivery-status",
                              part.global);
    dsn.prefix += fields;
    dsn.prefix += part_header(boundary, returned_type(part), eight_bit);
    dsn.prefix += parent.trace_headers;
    dsn.middle_size = part.whole ? parent.body_size : std::min(request.header_size, parent.body_size);
    dsn.suffix = "\r\n--" + boundary + "--\r\n";

    auto& envelope = dsn.envelope;
    envelope.id = request.id;
    envelope.recipients.push_back({parent.reverse_path, 0, {}});  // reverse_path stays null: RFC 3461 §6.1 (d)
    envelope.body = eight_bit ? BodyType::eight_bit_mime : BodyType::seven_bit;
    envelope.smtputf8 = !parent.reverse_path.ascii();
    envelope.arrival = request.now;
    envelope.body_size = dsn.prefix.size() + dsn.middle_size + dsn.suffix.size();
    envelope.header_message_id = '<' + request.id.to_string() + '@' + request.reporting_mta + '>';
    envelope.listener = "dsn";
    envelope.trace = parent.trace;
    return dsn;
}

std::uint64_t header_size(std::string_view start) {
    start = start.substr(0, kMaxReturnedHeader);
    if (start.starts_with("\r\n")) return 0;
    if (const auto end = start.find("\r\n\r\n"); end != std::string_view::npos) return end + 2;
    if (const auto end = start.rfind("\r\n"); end != std::string_view::npos) return end + 2;
    return 0;
}

std::uint64_t returned_header_size(std::string_view start) {
    const auto header = start.substr(0, header_size(start));
    std::size_t size = 0;
    while (size < header.size()) {
        const auto end = header.find("\r\n", size);
        if (end - size > kMaxReturnedLine) break;
        const auto line = header.substr(size, end - size);
        if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) break;
        size = end + 2;
    }
    return size;
}

}  // namespace posthorn::mail
