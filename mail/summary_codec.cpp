// A summary as a blob: [version, size, lines, complete, has_attachment, preview, thread, envelope, parts], arrays all
// the way down, for a mailbox has a hundred thousand of them.

#include "base/msgpack.hpp"
#include "mail/summary.hpp"

namespace posthorn::mail {
namespace {

using base::MsgpackReader;
using base::MsgpackWriter;

constexpr std::uint64_t kVersion = 1;

// ---- out

void write_addresses(MsgpackWriter& out, const std::vector<ListedAddress>& list) {
    out.array(list.size());
    for (const auto& one : list) {
        out.array(4);
        out.uinteger(static_cast<std::uint64_t>(one.kind));
        out.bin(one.name);
        out.bin(one.local);
        out.bin(one.domain);
    }
}

void write_envelope(MsgpackWriter& out, const MessageEnvelope& envelope) {
    out.array(12);
    out.bin(envelope.date);
    out.bin(envelope.subject);
    for (const auto* list :
         {&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to, &envelope.cc, &envelope.bcc})
        write_addresses(out, *list);
    out.bin(envelope.in_reply_to);
    out.bin(envelope.message_id);
    if (envelope.sent)
        out.integer(*envelope.sent);
    else
        out.nil();
    out.integer(envelope.zone_minutes);
}

void write_parameters(MsgpackWriter& out, const MimeParameters& parameters) {
    out.map(parameters.size());
    for (const auto& [name, value] : parameters) {
        out.bin(name);
        out.bin(value);
    }
}

void write_texts(MsgpackWriter& out, const std::vector<std::string>& texts) {
    out.array(texts.size());
    for (const auto& text : texts) out.bin(text);
}

void write_part(MsgpackWriter& out, const MimePart& part) {
    out.array(18);
    if (part.parent == MimePart::kNone)
        out.nil();
    else
        out.uinteger(part.parent);
    out.bin(part.type);
    out.bin(part.subtype);
    write_parameters(out, part.parameters);
    out.bin(part.id);
    out.bin(part.description);
    out.bin(part.encoding);
    out.bin(part.md5);
    out.bin(part.disposition);
    write_parameters(out, part.disposition_parameters);
    write_texts(out, part.language);
    out.bin(part.location);
    for (const auto number : {part.header, part.body, part.end, part.header_lines, part.lines})
        out.uinteger(number);
    if (part.envelope)
        write_envelope(out, *part.envelope);
    else
        out.nil();
}

// ---- in

bool text(MsgpackReader& in, std::string& out) {
    std::string_view bytes;
    if (!in.bin(bytes)) return false;
    out = bytes;
    return true;
}

bool count_is(MsgpackReader& in, std::size_t expected) {
    std::size_t count = 0;
    return in.array(count) && count == expected;
}

bool list(MsgpackReader& in, std::size_t max, auto one) {
    std::size_t count = 0;
    if (!in.array(count) || count > max) return false;
    for (; count > 0; --count) {
        if (!one()) return false;
    }
    return true;
}

bool read_addresses(MsgpackReader& in, std::vector<ListedAddress>& out) {
    return list(in, SummaryLimits::addresses, [&] {
        auto& one = out.emplace_back();
        std::uint64_t kind = 0;
        if (!count_is(in, 4) || !in.uinteger(kind) || kind > 2) return false;
        one.kind = static_cast<ListedAddress::Kind>(kind);
        return text(in, one.name) && text(in, one.local) && text(in, one.domain);
    });
}

bool read_envelope(MsgpackReader& in, MessageEnvelope& out) {
    if (!count_is(in, 12) || !text(in, out.date) || !text(in, out.subject)) return false;
    for (auto* addresses : {&out.from, &out.sender, &out.reply_to, &out.to, &out.cc, &out.bcc}) {
        if (!read_addresses(in, *addresses)) return false;
    }
    if (!text(in, out.in_reply_to) || !text(in, out.message_id)) return false;
    if (in.peek() == MsgpackReader::Type::nil) {
        in.nil();
    } else if (!in.integer(out.sent.emplace())) {
        return false;
    }
    std::int64_t zone = 0;
    if (!in.integer(zone) || zone < -100 * 60 || zone > 100 * 60) return false;
    out.zone_minutes = static_cast<int>(zone);
    return true;
}

bool read_parameters(MsgpackReader& in, MimeParameters& out) {
    std::size_t count = 0;
    if (!in.map(count) || count > SummaryLimits::parameters) return false;
    for (; count > 0; --count) {
        auto& [name, value] = out.emplace_back();
        if (!text(in, name) || !text(in, value)) return false;
    }
    return true;
}

bool read_texts(MsgpackReader& in, std::vector<std::string>& out, std::size_t max) {
    return list(in, max, [&] { return text(in, out.emplace_back()); });
}

bool read_parent(MsgpackReader& in, std::uint32_t& parent, std::size_t index) {
    if (in.peek() == MsgpackReader::Type::nil) return in.nil() && index == 0;
    std::uint64_t number = 0;
    if (!in.uinteger(number) || number >= index) return false;
    parent = static_cast<std::uint32_t>(number);
    return true;
}

bool read_part(MsgpackReader& in, MimePart& part, std::size_t index) {
    if (!count_is(in, 18) || !read_parent(in, part.parent, index)) return false;
    if (!text(in, part.type) || !text(in, part.subtype) || !read_parameters(in, part.parameters)) return false;
    for (auto* field : {&part.id, &part.description, &part.encoding, &part.md5, &part.disposition}) {
        if (!text(in, *field)) return false;
    }
    if (!read_parameters(in, part.disposition_parameters) ||
        !read_texts(in, part.language, SummaryLimits::parameters) || !text(in, part.location))
        return false;
    for (auto* number : {&part.header, &part.body, &part.end, &part.header_lines, &part.lines}) {
        if (!in.uinteger(*number)) return false;
    }
    if (in.peek() == MsgpackReader::Type::nil) {
        in.nil();
    } else if (!read_envelope(in, *(part.envelope = std::make_unique<MessageEnvelope>()))) {
        return false;
    }
    return part.header <= part.body && part.body <= part.end && part.message() == (part.envelope != nullptr);
}

// A tree whose depth bounds the recursion of those who walk it.
bool is_tree(const std::vector<MimePart>& parts, std::uint64_t size) {
    std::vector<std::size_t> depth(parts.size(), 0);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].end > size) return false;
        if (parts[i].parent == MimePart::kNone) continue;
        const auto& parent = parts[parts[i].parent];
        depth[i] = depth[parts[i].parent] + 1;
        if (depth[i] >= SummaryLimits::depth || (!parent.multipart() && !parent.message())) return false;
    }
    return !parts.empty();
}

bool read(MsgpackReader& in, Summary& out) {
    if (!in.uinteger(out.size) || !in.uinteger(out.lines) || !in.boolean(out.complete) ||
        !in.boolean(out.has_attachment) || !text(in, out.preview))
        return false;
    auto& keys = out.thread;
    if (!count_is(in, 4) || !text(in, keys.message_id) ||
        !read_texts(in, keys.references, SummaryLimits::references) || !text(in, keys.base_subject) ||
        !in.boolean(keys.answer))
        return false;
    if (!read_envelope(in, out.envelope)) return false;
    const bool parts = list(in, SummaryLimits::parts, [&] {
        const auto index = out.parts.size();
        return read_part(in, out.parts.emplace_back(), index);
    });
    return parts && is_tree(out.parts, out.size);
}

}  // namespace

std::string encode_summary(const Summary& summary) {
    MsgpackWriter out;
    out.array(9);
    out.uinteger(kVersion);
    out.uinteger(summary.size);
    out.uinteger(summary.lines);
    out.boolean(summary.complete);
    out.boolean(summary.has_attachment);
    out.bin(summary.preview);
    out.array(4);
    out.bin(summary.thread.message_id);
    write_texts(out, summary.thread.references);
    out.bin(summary.thread.base_subject);
    out.boolean(summary.thread.answer);
    write_envelope(out, summary.envelope);
    out.array(summary.parts.size());
    for (const auto& part : summary.parts) write_part(out, part);
    return out.take();
}

base::Result<Summary> decode_summary(std::string_view blob) {
    Summary out;
    std::uint64_t version = 0;
    MsgpackReader in(blob);
    if (blob.size() > SummaryLimits::blob || !count_is(in, 9) || !in.uinteger(version))
        return base::fail(base::ErrorKind::internal, "a message's summary is damaged");
    if (version != kVersion)
        return base::fail(base::ErrorKind::internal,
                          "a message's summary is of version " + std::to_string(version));
    if (!read(in, out) || !in.at_end())
        return base::fail(base::ErrorKind::internal, "a message's summary is damaged");
    return out;
}

}  // namespace posthorn::mail
