// Commands about messages: FETCH, STORE, COPY, MOVE, UID EXPUNGE.
#include <array>

#include "base/ascii.hpp"
#include "proto/imap/limits.hpp"
#include "proto/imap/parser.hpp"

namespace posthorn::imap::detail {
namespace {

using Kind = FetchItem::Kind;

constexpr auto kPlainItems = std::to_array<std::pair<std::string_view, Kind>>({
    {"FLAGS", Kind::flags},
    {"UID", Kind::uid},
    {"INTERNALDATE", Kind::internal_date},
    {"RFC822.SIZE", Kind::rfc822_size},
    {"ENVELOPE", Kind::envelope},
    {"BODYSTRUCTURE", Kind::body_structure},
    {"RFC822", Kind::rfc822},
    {"RFC822.HEADER", Kind::rfc822_header},
    {"RFC822.TEXT", Kind::rfc822_text},
    {"MODSEQ", Kind::modseq},
    {"SAVEDATE", Kind::save_date},
    {"EMAILID", Kind::email_id},
    {"THREADID", Kind::thread_id},
});

// An item's name: ATOM-CHARs up to the bracket of a section.
std::string item_name(Scanner& s) {
    const auto rest = s.rest();
    std::size_t length = 0;
    while (length < rest.size() && is_atom_char(rest[length]) && rest[length] != '[') ++length;
    auto name = base::upper(rest.substr(0, length));
    for (std::size_t i = 0; i < length; ++i) s.eat(rest[i]);
    return name;
}

void header_fields(Scanner& s, Section& section) {
    s.space();
    s.expect('(');
    do section.fields.push_back(s.astring());
    while (s.ok() && section.fields.size() < Limits::header_fields && s.eat(' '));
    s.expect(')');
}

void section_text(Scanner& s, Section& section) {
    const auto word = [&s](std::string_view text) {
        const auto rest = s.rest();
        if (!base::istarts_with(rest, text)) return false;
        if (rest.size() > text.size() && rest[text.size()] != ' ' && rest[text.size()] != ']') return false;
        for (std::size_t i = 0; i < text.size(); ++i) s.eat(rest[i]);
        return true;
    };
    if (word("HEADER.FIELDS.NOT")) {
        section.what = Section::What::header_fields_not;
        header_fields(s, section);
    } else if (word("HEADER.FIELDS")) {
        section.what = Section::What::header_fields;
        header_fields(s, section);
    } else if (word("HEADER")) {
        section.what = Section::What::header;
    } else if (word("TEXT")) {
        section.what = Section::What::text;
    } else if (word("MIME") && !section.part.empty()) {
        section.what = Section::What::mime;
    } else {
        s.fail("There is no such section");
    }
}

std::optional<Partial> parse_octets(Scanner& s) {
    if (!s.eat('<')) return std::nullopt;
    Partial partial;
    partial.offset = s.number64();
    s.expect('.');
    partial.count = s.number64();
    if (partial.count == 0) s.fail("A partial fetch of nothing");
    s.expect('>');
    return partial;
}

FetchItem parse_item(Scanner& s) {
    FetchItem item;
    const auto name = item_name(s);
    for (const auto& [text, kind] : kPlainItems) {
        if (name != text) continue;
        item.kind = kind;
        return item;
    }
    if (name == "PREVIEW") {  // RFC 8970 §3.2
        item.kind = Kind::preview;
        if (s.rest().starts_with(" (")) {
            s.space();
            s.expect('(');
            if (s.word() != "LAZY") s.fail("There is no such modifier");
            item.lazy = true;
            s.expect(')');
        }
        return item;
    }
    item.peek = name.ends_with(".PEEK");
    if (name == "BODY" && s.peek() != '[') {
        item.kind = Kind::body;
        return item;
    }
    if (name == "BODY" || name == "BODY.PEEK") {
        item.kind = Kind::section;
    } else if (name == "BINARY" || name == "BINARY.PEEK") {
        item.kind = Kind::binary;
    } else if (name == "BINARY.SIZE") {
        item.kind = Kind::binary_size;
    } else {
        s.fail("There is no such item");
        return item;
    }
    item.section = parse_section(s, item.kind != Kind::section);
    if (item.kind != Kind::binary_size) item.partial = parse_octets(s);
    return item;
}

// RFC 9051 §6.4.5: macros stand alone.
std::vector<FetchItem> macro(std::string_view name) {
    std::vector<FetchItem> items;
    const bool all = name == "ALL";
    if (!all && name != "FAST" && name != "FULL") return items;
    items.push_back({.kind = Kind::flags});
    items.push_back({.kind = Kind::internal_date});
    items.push_back({.kind = Kind::rfc822_size});
    if (name != "FAST") items.push_back({.kind = Kind::envelope});
    if (name == "FULL") items.push_back({.kind = Kind::body});
    return items;
}

void fetch_modifiers(Scanner& s, Fetch& command) {
    s.expect('(');
    do {
        const auto name = s.word();
        if (name == "CHANGEDSINCE") {
            s.space();
            command.changed_since = s.modseq();
        } else if (name == "VANISHED") {
            command.vanished = true;
        } else if (name == "PARTIAL") {
            s.space();
            command.partial = parse_partial(s);
        } else {
            s.fail("There is no such modifier");
        }
    } while (s.ok() && s.eat(' '));
    s.expect(')');
}

}  // namespace

Section parse_section(Scanner& s, bool binary) {
    Section section;
    s.expect('[');
    if (s.eat(']')) return section;
    while (s.ok()) {
        if (!base::is_digit(s.peek())) {
            if (binary) s.fail("There is no such section");
            if (s.ok()) section_text(s, section);
            break;
        }
        section.part.push_back(s.nz_number());
        if (section.part.size() > Limits::section_depth) s.fail("Too deep a section");
        if (!s.eat('.')) break;
    }
    s.expect(']');
    return section;
}

// RFC 9394 §3.1: "1:100", "-1:-100"
std::optional<std::pair<std::int64_t, std::int64_t>> parse_partial(Scanner& s) {
    const auto first = s.signed_number();
    s.expect(':');
    const auto last = s.signed_number();
    if (s.ok() && (first < 0) != (last < 0)) s.fail("Both ends count from the same side");
    return std::pair{first, last};
}

std::vector<FetchItem> parse_fetch_items(Scanner& s) {
    std::vector<FetchItem> items;
    s.expect('(');
    do items.push_back(parse_item(s));
    while (s.ok() && items.size() < Limits::fetch_items && s.eat(' '));
    s.expect(')');
    return items;
}

Body parse_fetch(Scanner& s) {
    Fetch command;
    s.space();
    command.set = s.sequence_set();
    s.space();
    if (s.peek() == '(') {
        command.items = parse_fetch_items(s);
    } else {
        for (const std::string_view name : {"ALL", "FAST", "FULL"}) {
            if (command.items.empty() && s.eat_word(name)) command.items = macro(name);
        }
        if (command.items.empty()) command.items.push_back(parse_item(s));
    }
    if (s.eat(' ')) fetch_modifiers(s, command);
    if (command.vanished && !command.changed_since) s.fail("VANISHED goes with CHANGEDSINCE");
    return command;
}

Body parse_store(Scanner& s) {
    Store command;
    s.space();
    command.set = s.sequence_set();
    s.space();
    if (s.eat('(')) {  // RFC 7162 §3.1.3
        if (s.word() != "UNCHANGEDSINCE") s.fail("There is no such modifier");
        s.space();
        command.unchanged_since = s.modseq();
        s.expect(')');
        s.space();
    }
    if (s.eat('+')) {
        command.how = Store::How::add;
    } else if (s.eat('-')) {
        command.how = Store::How::remove;
    }
    const auto name = s.word();
    command.silent = name == "FLAGS.SILENT";
    if (!command.silent && name != "FLAGS") s.fail("Expected FLAGS");
    s.space();
    command.flags = s.flags();
    return command;
}

namespace {

Copy copy_or_move(Scanner& s, bool move) {
    Copy command{.move = move};
    s.space();
    command.set = s.sequence_set();
    s.space();
    command.mailbox = s.mailbox();
    return command;
}

}  // namespace

Body parse_copy(Scanner& s) { return copy_or_move(s, false); }
Body parse_move(Scanner& s) { return copy_or_move(s, true); }

Body parse_expunge(Scanner& s) {
    s.space();
    return Expunge{s.sequence_set()};
}

}  // namespace posthorn::imap::detail
