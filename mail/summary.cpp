#include "mail/summary.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "mail/date.hpp"
#include "mail/mime/addresses.hpp"
#include "mail/mime/charset.hpp"
#include "mail/mime/content.hpp"
#include "mail/mime/encoded_word.hpp"
#include "mail/mime/parser.hpp"
#include "mail/mime/preview.hpp"
#include "mail/mime/subject.hpp"
#include "mail/mime/transfer.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kPlainKept = 4 * 1024;  // octets of a text that its preview is made of
constexpr std::size_t kHtmlKept = 32 * 1024;

// The beginning of a text part, decoded as it streams by.
struct Excerpt {
    TransferDecoder decoder;
    std::string charset;
    std::string text;
    std::size_t max = 0;
    bool taken = false;

    void begin(const MimePart& part, std::size_t octets) {
        taken = true;
        max = octets;
        decoder = TransferDecoder(transfer_encoding(part.encoding));
        charset = raw_parameter(part.parameters, "charset");
    }
    void add(std::string_view bytes) {
        if (text.size() >= max) return;
        decoder.decode(bytes.substr(0, 3 * (max - text.size()) + 3), text);
    }
    std::string preview(bool html) {
        decoder.finish(text);
        return preview_of(to_utf8(charset, text), html, SummaryLimits::preview);
    }
};

bool is_signature(const MimePart& part) {
    static constexpr std::string_view kinds[] = {"pgp-signature", "pgp-encrypted", "pkcs7-signature",
                                                 "x-pkcs7-signature"};
    return part.type == "application" && std::ranges::find(kinds, part.subtype) != std::end(kinds);
}

bool is_attachment(const MimePart& part, const MimePart* parent) {
    if (part.multipart()) return false;
    if (part.disposition == "attachment" || part.message()) return true;
    if (part.disposition == "inline" || is_signature(part) || part.type == "message") return false;
    const bool named = !raw_parameter(part.parameters, "name").empty() ||
                       !raw_parameter(part.disposition_parameters, "filename").empty();
    if (part.type == "text") return named;
    return parent == nullptr || parent->subtype != "related" || part.id.empty();
}

void split_languages(std::string_view field, std::vector<std::string>& out) {
    while (!field.empty() && out.size() < SummaryLimits::parameters) {
        const auto comma = std::min(field.find(','), field.size());
        std::string one(field.substr(0, comma));
        std::erase_if(one, [](char c) { return c == ' ' || c == '\t'; });
        if (!one.empty()) out.push_back(std::move(one));
        field.remove_prefix(std::min(field.size(), comma + 1));
    }
}

}  // namespace

struct SummaryBuilder::State final : MimeParser::Sink {
    Summary summary;
    std::size_t room = SummaryLimits::texts;
    std::size_t addresses = 0;
    bool cut = false;
    bool open_ended = false;
    bool has_type = false;  // the part at hand has a Content-Type
    Excerpt plain;
    Excerpt html;
    Excerpt* excerpt = nullptr;  // the part at hand goes into it
    std::string references;
    MimeParser parser{
        *this, {.parts = SummaryLimits::parts, .depth = SummaryLimits::depth, .field = SummaryLimits::field}};

    // ---- what is kept, within the budget

    std::string keep(std::string_view text) {
        const auto size = std::min(room, text.size());
        cut |= size < text.size();
        room -= size;
        return std::string(text.substr(0, size));
    }
    void keep_first(std::string& into, std::string_view text) {
        if (into.empty()) into = keep(text);
    }
    void keep(MimeParameters& into, MimeParameters&& parameters) {
        for (auto& [name, value] : parameters) into.emplace_back(keep(name), keep(value));
    }
    void list(std::vector<ListedAddress>& into, std::string_view field) {
        auto all = parse_listed(field, SummaryLimits::addresses - addresses);
        addresses += all.size();
        cut |= addresses == SummaryLimits::addresses;
        for (auto& one : all) {
            into.push_back(
                {.kind = one.kind, .name = keep(one.name), .local = keep(one.local), .domain = keep(one.domain)});
        }
    }

    // ---- fields

    MessageEnvelope* envelope() {
        const auto& part = summary.parts.back();
        if (part.parent == MimePart::kNone) return &summary.envelope;
        return summary.parts[part.parent].envelope.get();
    }

    void field(std::string_view name, std::string_view value) override {
        const auto key = base::lower(name);
        if (key.starts_with("content-")) return content_field(std::string_view(key).substr(8), value);
        if (auto* to = envelope()) envelope_field(*to, key, value);
        if (key == "references" && summary.parts.size() == 1 && references.empty()) references = value;
    }

    void content_field(std::string_view key, std::string_view value) {
        auto& part = summary.parts.back();
        if (key == "type") {
            if (!std::exchange(has_type, true)) content_type(part, value);
        } else if (key == "transfer-encoding") {
            // "base64 (comment)"
            if (auto read = parse_content_field(value, 0); !read.value.empty()) part.encoding = keep(read.value);
        } else if (key == "id") {
            keep_first(part.id, value);
        } else if (key == "description") {
            keep_first(part.description, value);
        } else if (key == "md5") {
            keep_first(part.md5, value);
        } else if (key == "location") {
            keep_first(part.location, value);
        } else if (key == "language") {
            if (part.language.empty()) split_languages(keep(value), part.language);
        } else if (key == "disposition" && part.disposition.empty()) {
            auto read = parse_content_field(value);
            part.disposition = keep(read.value);
            keep(part.disposition_parameters, std::move(read.parameters));
        }
    }

    // RFC 2045 §5.2: what cannot be read is text/plain.
    void content_type(MimePart& part, std::string_view value) {
        auto read = parse_content_field(value);
        const auto slash = read.value.find('/');
        part.type = "text";
        part.subtype = "plain";
        if (slash != std::string::npos && slash > 0 && slash + 1 < read.value.size()) {
            if (read.value.size() > room) {
                cut = true;
                return be_opaque(part);
            }
            part.type = keep(std::string_view(read.value).substr(0, slash));
            part.subtype = keep(std::string_view(read.value).substr(slash + 1));
        }
        keep(part.parameters, std::move(read.parameters));
    }

    void envelope_field(MessageEnvelope& to, std::string_view key, std::string_view value) {
        if (key == "date") {
            keep_first(to.date, value);
        } else if (key == "subject") {
            keep_first(to.subject, value);
        } else if (key == "from") {
            list(to.from, value);
        } else if (key == "sender") {
            list(to.sender, value);
        } else if (key == "reply-to") {
            list(to.reply_to, value);
        } else if (key == "to") {
            list(to.to, value);
        } else if (key == "cc") {
            list(to.cc, value);
        } else if (key == "bcc") {
            list(to.bcc, value);
        } else if (key == "in-reply-to") {
            keep_first(to.in_reply_to, value);
        } else if (key == "message-id") {
            keep_first(to.message_id, value);
        }
    }

    // ---- parts

    void part_begins(std::uint32_t, std::uint32_t parent, std::uint64_t offset) override {
        MimePart part;
        part.parent = parent;
        part.header = part.body = part.end = offset;
        // RFC 2046 §5.1.5
        if (parent != MimePart::kNone && summary.parts[parent].multipart() &&
            summary.parts[parent].subtype == "digest") {
            part.type = "message";
            part.subtype = "rfc822";
        }
        summary.parts.push_back(std::move(part));
        has_type = false;
        excerpt = nullptr;
    }

    MimeParser::Nature header_ends(std::uint64_t body, std::uint64_t header_lines, bool may_nest) override {
        using Kind = MimeParser::Nature::Kind;
        auto& part = summary.parts.back();
        part.body = part.end = body;
        part.header_lines = header_lines;
        finish_envelope();
        const auto boundary = std::string(raw_parameter(part.parameters, "boundary"));
        if (part.multipart() && boundary.empty()) be_plain(part);
        if ((part.multipart() || part.message()) && !may_nest) {
            be_opaque(part);
        }
        if (part.message()) {
            part.envelope = std::make_unique<MessageEnvelope>();
            return {.kind = Kind::message};
        }
        if (part.multipart()) return {.kind = Kind::multipart, .boundary = boundary};
        choose_excerpt(part);
        return {};
    }

    static void be_plain(MimePart& part) {
        part.type = "text";
        part.subtype = "plain";
        part.parameters.clear();
    }

    static void be_opaque(MimePart& part) {
        part.type = "application";
        part.subtype = "octet-stream";
        part.parameters.clear();
    }

    void finish_envelope() {
        auto* to = envelope();
        if (to == nullptr) return;
        const auto date = parse_date(to->date);
        if (!date) return;
        to->sent = date->seconds;
        to->zone_minutes = date->zone_minutes;
    }

    bool inside_message(const MimePart& part) const {
        for (auto at = part.parent; at != MimePart::kNone; at = summary.parts[at].parent) {
            if (summary.parts[at].message()) return true;
        }
        return false;
    }

    void choose_excerpt(const MimePart& part) {
        if (part.type != "text" || part.disposition == "attachment" || inside_message(part)) return;
        if (part.subtype == "html") {
            if (!html.taken) (excerpt = &html)->begin(part, kHtmlKept);
        } else if (!plain.taken) {
            (excerpt = &plain)->begin(part, kPlainKept);
        }
    }

    void body(std::string_view bytes) override {
        if (excerpt != nullptr) excerpt->add(bytes);
    }

    void part_ends(std::uint32_t index, std::uint64_t offset, std::uint64_t lines, bool ended) override {
        auto& part = summary.parts[index];
        part.end = std::max(part.body, offset);
        part.lines = lines;
        open_ended |= !ended;
        // A multipart is nothing without parts: what its boundary never showed is text.
        if (part.multipart() && summary.parts.size() == index + 1) be_plain(part);
        excerpt = nullptr;
    }

    // ---- the end

    void thread() {
        auto& keys = summary.thread;
        const auto own = parse_message_ids(summary.envelope.message_id, 1);
        if (!own.empty()) keys.message_id = keep(own.front());
        auto before = parse_message_ids(references);
        if (before.empty()) before = parse_message_ids(summary.envelope.in_reply_to);
        for (const auto& id : before) keys.references.push_back(keep(id));
        auto subject = base_subject(summary.envelope.subject);
        keys.base_subject = keep(subject.text);
        keys.answer = subject.answer;
    }

    void attachments() {
        for (const auto& part : summary.parts) {
            const auto* parent = part.parent == MimePart::kNone ? nullptr : &summary.parts[part.parent];
            if (inside_message(part) || !is_attachment(part, parent)) continue;
            summary.has_attachment = true;
            return;
        }
    }

    Summary finish() {
        parser.finish();
        summary.size = parser.size();
        summary.lines = parser.lines();
        thread();
        attachments();
        summary.preview = plain.preview(false);
        if (summary.preview.empty()) summary.preview = html.preview(true);
        summary.complete = !cut && !open_ended && !parser.cut();
        return std::move(summary);
    }
};

std::vector<std::string> thread_keys(const ThreadKeys& keys) {
    std::vector<std::string> out;
    for (const auto& id : keys.references) out.push_back(id + ' ' + keys.base_subject);
    if (!keys.message_id.empty()) out.push_back(keys.message_id + ' ' + keys.base_subject);
    return out;
}

SummaryBuilder::SummaryBuilder() : state_(std::make_unique<State>()) {}
SummaryBuilder::~SummaryBuilder() = default;
SummaryBuilder::SummaryBuilder(SummaryBuilder&&) noexcept = default;
SummaryBuilder& SummaryBuilder::operator=(SummaryBuilder&&) noexcept = default;

void SummaryBuilder::feed(std::string_view bytes) { state_->parser.feed(bytes); }
Summary SummaryBuilder::finish() { return state_->finish(); }

}  // namespace posthorn::mail
