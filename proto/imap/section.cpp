#include "proto/imap/section.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "proto/imap/text.hpp"

namespace posthorn::imap {
namespace {

using mail::MimePart;

constexpr std::uint32_t kNone = MimePart::kNone;

std::uint32_t nth_child(const mail::Summary& summary, std::uint32_t parent, std::uint32_t n) {
    for (std::uint32_t i = parent + 1; i < summary.parts.size(); ++i) {
        if (summary.parts[i].parent == parent && --n == 0) return i;
    }
    return kNone;
}

// The root of the message that a message/rfc822 part holds.
std::uint32_t inner_root(const mail::Summary& summary, std::uint32_t part) {
    return summary.parts[part].message() ? nth_child(summary, part, 1) : kNone;
}

std::uint32_t find(const mail::Summary& summary, std::span<const std::uint32_t> numbers) {
    std::uint32_t at = 0;
    bool root = true;  // `at` is a message's root: where that is no multipart, it is part 1 itself
    for (const auto number : numbers) {
        if (!root && !summary.parts[at].multipart()) {
            at = inner_root(summary, at);
            root = true;
            if (at == kNone) return kNone;
        }
        if (summary.parts[at].multipart()) {
            at = nth_child(summary, at, number);
            if (at == kNone) return kNone;
        } else if (number != 1) {
            return kNone;
        }
        root = false;
    }
    return at;
}

// Length of the field at the beginning of `header`, with its folded lines.
std::size_t field_length(std::string_view header) {
    std::size_t at = 0;
    do {
        const auto end = header.find('\n', at);
        if (end == std::string_view::npos) return header.size();
        at = end + 1;
    } while (at < header.size() && (header[at] == ' ' || header[at] == '\t'));
    return at;
}

}  // namespace

const MimePart* find_part(const mail::Summary& summary, std::span<const std::uint32_t> numbers) {
    const auto at = find(summary, numbers);
    return at == kNone ? nullptr : &summary.parts[at];
}

std::optional<Extent> locate(const mail::Summary& summary, const Section& section) {
    using What = Section::What;
    if (section.part.empty() && section.what == What::all) return Extent{0, summary.size};
    auto at = find(summary, section.part);
    if (at == kNone) return std::nullopt;
    const auto& part = summary.parts[at];
    if (section.what == What::all) return Extent{part.body, part.end};
    if (section.what == What::mime) return Extent{part.header, part.body};
    if (!section.part.empty()) at = inner_root(summary, at);  // HEADER and TEXT are of messages alone
    if (at == kNone) return std::nullopt;
    const auto& root = summary.parts[at];
    if (section.what == What::text) return Extent{root.body, root.end};
    return Extent{root.header, root.body, section.what != What::header};
}

std::string filter_header(std::string_view header, const Section& section) {
    const bool keep = section.what != Section::What::header_fields_not;
    std::string out;
    while (!header.empty() && header.front() != '\r' && header.front() != '\n') {
        const auto field = header.substr(0, field_length(header));
        header.remove_prefix(field.size());
        auto name = field.substr(0, field.find(':'));
        while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
        const bool named =
            std::ranges::any_of(section.fields, [&](const auto& wanted) { return base::iequals(wanted, name); });
        if (named == keep) out += field;
    }
    if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
    return out += "\r\n";
}

void put_section(std::string& out, std::string_view item, const Section& section,
                 const std::optional<Partial>& partial) {
    using What = Section::What;
    out += item;
    out += '[';
    for (std::size_t i = 0; i < section.part.size(); ++i) {
        if (i > 0) out += '.';
        put_number(out, section.part[i]);
    }
    if (section.what != What::all && !section.part.empty()) out += '.';
    switch (section.what) {
        case What::all: break;
        case What::header: out += "HEADER"; break;
        case What::header_fields: out += "HEADER.FIELDS"; break;
        case What::header_fields_not: out += "HEADER.FIELDS.NOT"; break;
        case What::text: out += "TEXT"; break;
        case What::mime: out += "MIME"; break;
    }
    if (!section.fields.empty()) {
        char before = '(';
        out += ' ';
        for (const auto& field : section.fields) {
            out += before;
            put_astring(out, field, false);
            before = ' ';
        }
        out += ')';
    }
    out += ']';
    if (!partial) return;
    out += '<';
    put_number(out, partial->offset);
    out += '>';
}

}  // namespace posthorn::imap
