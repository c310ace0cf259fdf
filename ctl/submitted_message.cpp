#include "ctl/submitted_message.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "mail/address_list.hpp"
#include "mail/date.hpp"
#include "mail/header_fields.hpp"

namespace posthorn::ctl {
namespace {

// RFC 5322 §3.2.4, for a display name.
std::string quoted_name(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) >= ' ' && c != 0x7F) out += c;
    }
    return out + '"';
}

std::string from_field(const Submitter& submitter) {
    if (submitter.full_name.empty()) return fmt::format("From: {}\r\n", submitter.address.to_string());
    return fmt::format("From: {} <{}>\r\n", quoted_name(submitter.full_name), submitter.address.to_string());
}

bool names_recipients(std::string_view name) {
    return base::iequals(name, "to") || base::iequals(name, "cc") || base::iequals(name, "bcc");
}

}  // namespace

void LineEnds::end_line(std::string& out) {
    if (line_ == Line::dot && dot_ends_) {
        ended_ = true;
        return;
    }
    if (line_ == Line::dot) out += '.';
    out += "\r\n";
    line_ = Line::start;
}

void LineEnds::put(char c, std::string& out) {
    if (line_ == Line::start && c == '.') {
        line_ = Line::dot;  // held back until the line shows whether it is more
        return;
    }
    if (line_ == Line::dot) out += '.';
    line_ = Line::inside;
    if (!base::is_ascii(c)) eight_bit_ = true;
    if (c == '\0') nul_ = true;
    out += c;
}

void LineEnds::feed(std::string_view bytes, std::string& out) {
    for (const char c : bytes) {
        if (ended_) return;
        const bool was_cr = std::exchange(after_cr_, c == '\r');
        if (c == '\n') {
            if (!was_cr) end_line(out);
        } else if (c == '\r') {
            end_line(out);
        } else {
            put(c, out);
        }
    }
}

void LineEnds::finish(std::string& out) {
    if (!ended_ && line_ != Line::start) end_line(out);
    ended_ = true;
}

Cut cut_header(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const auto line = mail::first_line(text.substr(at));
        if (line == "\r\n") return {text.substr(0, at), text.substr(at + 2), true};
        const bool mbox = at == 0 && line.starts_with("From ");
        const bool continues = at > 0 && mail::continues_field(line);
        if (!mbox && !continues && mail::field_name(line).empty()) break;
        at += line.size();
    }
    return {text.substr(0, at), text.substr(at), false};
}

std::expected<PreparedHeader, std::string> prepare_header(std::string_view header, const Submitter& submitter,
                                                          bool take_recipients) {
    PreparedHeader out;
    bool date = false;
    bool from = false;
    for (const auto& field : mail::fields_of(header)) {
        if (field.name.empty()) continue;
        if (take_recipients && names_recipients(field.name)) {
            auto list = mail::parse_address_list(field.body(), submitter.host);
            if (!list) return std::unexpected(fmt::format("in the field {}: {}", field.name, list.error()));
            out.recipients.insert(out.recipients.end(), list->begin(), list->end());
        }
        if (base::iequals(field.name, "bcc") && take_recipients) continue;
        if (base::iequals(field.name, "date")) date = true;
        if (base::iequals(field.name, "from")) from = true;
        if (base::iequals(field.name, "message-id"))
            out.message_id = base::printable(mail::trimmed(field.body()), 998);
        out.text += field.whole;
    }
    std::string added;
    if (!date) added += fmt::format("Date: {}\r\n", mail::date_text(submitter.now));
    if (out.message_id.empty()) {
        out.message_id = fmt::format("<{}@{}>", submitter.unique, submitter.host);
        added += fmt::format("Message-ID: {}\r\n", out.message_id);
    }
    if (!from) added += from_field(submitter);
    out.text.insert(0, added);
    out.utf8 = !base::is_ascii(out.text);
    return out;
}

}  // namespace posthorn::ctl
