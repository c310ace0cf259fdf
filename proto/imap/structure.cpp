#include "proto/imap/structure.hpp"

#include "proto/imap/text.hpp"

namespace posthorn::imap {
namespace {

using mail::ListedAddress;
using mail::MimePart;

void put_address(std::string& out, const ListedAddress& address, bool utf8) {
    out += '(';
    switch (address.kind) {
        case ListedAddress::Kind::mailbox:
            put_nstring(out, address.name, utf8);
            out += " NIL ";
            // A NIL here would be read as a group's beginning or end: what is missing is empty.
            put_string(out, address.local, utf8);
            out += ' ';
            put_string(out, address.domain, utf8);
            break;
        case ListedAddress::Kind::group_begin:
            out += "NIL NIL ";
            put_string(out, address.name, utf8);
            out += " NIL";
            break;
        case ListedAddress::Kind::group_end: out += "NIL NIL NIL NIL"; break;
    }
    out += ')';
}

void put_addresses(std::string& out, const std::vector<ListedAddress>& addresses, bool utf8) {
    if (addresses.empty()) {
        out += "NIL";
        return;
    }
    out += '(';
    for (const auto& address : addresses) put_address(out, address, utf8);
    out += ')';
}

void put_parameters(std::string& out, const mail::MimeParameters& parameters, bool utf8) {
    if (parameters.empty()) {
        out += "NIL";
        return;
    }
    char before = '(';
    for (const auto& [name, value] : parameters) {
        out += before;
        put_string(out, name, utf8);
        out += ' ';
        put_string(out, value, utf8);
        before = ' ';
    }
    out += ')';
}

class Structure {
public:
    Structure(std::string& out, const mail::Summary& summary, bool extended, bool utf8)
        : out_(out), summary_(summary), extended_(extended), utf8_(utf8) {
        // Children of each part, by the order of the message.
        const auto count = summary.parts.size();
        first_.assign(count, MimePart::kNone);
        next_.assign(count, MimePart::kNone);
        for (auto i = static_cast<std::uint32_t>(count); i-- > 0;) {
            const auto parent = summary.parts[i].parent;
            if (parent >= i) continue;
            next_[i] = first_[parent];
            first_[parent] = i;
        }
    }

    // Deep only as SummaryLimits::depth lets parts be.
    void put(std::uint32_t index) {
        const auto& part = summary_.parts[index];
        out_ += '(';
        if (part.multipart()) {
            multipart(part, first_[index]);
        } else {
            leaf(part, first_[index]);
        }
        out_ += ')';
    }

private:
    void multipart(const MimePart& part, std::uint32_t child) {
        // body-type-mpart = 1*body: where mail has none, an empty text stands for it.
        if (child == MimePart::kNone) out_ += "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)";
        for (; child != MimePart::kNone; child = next_[child]) put(child);
        out_ += ' ';
        put_string(out_, part.subtype, utf8_);
        if (!extended_) return;
        out_ += ' ';
        put_parameters(out_, part.parameters, utf8_);
        more(part);
    }

    void leaf(const MimePart& part, std::uint32_t child) {
        // A message that was not looked into (limits) is shown as octets: its structure is not known.
        const bool opaque = part.message() && (!part.envelope || child == MimePart::kNone);
        put_string(out_, opaque ? "application" : part.type, utf8_);
        out_ += ' ';
        put_string(out_, opaque ? "octet-stream" : part.subtype, utf8_);
        out_ += ' ';
        put_parameters(out_, part.parameters, utf8_);
        out_ += ' ';
        put_nstring(out_, part.id, utf8_);
        out_ += ' ';
        put_nstring(out_, part.description, utf8_);
        out_ += ' ';
        put_string(out_, part.encoding, utf8_);
        out_ += ' ';
        put_number(out_, part.size());
        if (part.message() && !opaque) {
            out_ += ' ';
            put_envelope(out_, *part.envelope, utf8_);
            out_ += ' ';
            put(child);
        }
        if ((part.message() && !opaque) || part.type == "text") {
            out_ += ' ';
            put_number(out_, part.lines);
        }
        if (!extended_) return;
        out_ += ' ';
        put_nstring(out_, part.md5, utf8_);
        more(part);
    }

    // disposition, language, location
    void more(const MimePart& part) {
        if (part.disposition.empty()) {
            out_ += " NIL";
        } else {
            out_ += " (";
            put_string(out_, part.disposition, utf8_);
            out_ += ' ';
            put_parameters(out_, part.disposition_parameters, utf8_);
            out_ += ')';
        }
        if (part.language.empty()) {
            out_ += " NIL";
        } else {
            char before = '(';
            out_ += ' ';
            for (const auto& language : part.language) {
                out_ += before;
                put_string(out_, language, utf8_);
                before = ' ';
            }
            out_ += ')';
        }
        out_ += ' ';
        put_nstring(out_, part.location, utf8_);
    }

    std::string& out_;
    const mail::Summary& summary_;
    bool extended_;
    bool utf8_;
    std::vector<std::uint32_t> first_;
    std::vector<std::uint32_t> next_;
};

}  // namespace

void put_envelope(std::string& out, const mail::MessageEnvelope& envelope, bool utf8) {
    out += '(';
    put_nstring(out, envelope.date, utf8);
    out += ' ';
    put_nstring(out, envelope.subject, utf8);
    // RFC 9051 §7.5.2: without Sender or Reply-To, From stands there.
    const auto* sender = envelope.sender.empty() ? &envelope.from : &envelope.sender;
    const auto* reply_to = envelope.reply_to.empty() ? &envelope.from : &envelope.reply_to;
    for (const auto* list : {&envelope.from, sender, reply_to, &envelope.to, &envelope.cc, &envelope.bcc}) {
        out += ' ';
        put_addresses(out, *list, utf8);
    }
    out += ' ';
    put_nstring(out, envelope.in_reply_to, utf8);
    out += ' ';
    put_nstring(out, envelope.message_id, utf8);
    out += ')';
}

void put_structure(std::string& out, const mail::Summary& summary, bool extended, bool utf8) {
    Structure(out, summary, extended, utf8).put(0);
}

}  // namespace posthorn::imap
