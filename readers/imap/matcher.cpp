#include "readers/imap/matcher.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "mail/mime/encoded_word.hpp"

namespace posthorn::imap {
namespace {

using Kind = SearchKey::Kind;

constexpr std::int64_t kDay = 24 * 60 * 60;

Answer answer(bool yes) { return yes ? Answer::yes : Answer::no; }
Answer opposite(Answer a) { return a == Answer::unknown ? a : answer(a == Answer::no); }

std::int64_t day_of(std::int64_t seconds) { return (seconds >= 0 ? seconds : seconds - kDay + 1) / kDay; }

Answer on_day(Kind kind, std::int64_t day, const SearchKey& key) {
    const auto wanted = static_cast<std::int64_t>(key.number);
    switch (kind) {
        case Kind::before: return answer(day < wanted);
        case Kind::on: return answer(day == wanted);
        default: return answer(day >= wanted);
    }
}

std::string joined(const std::vector<mail::ListedAddress>& addresses) {
    std::string out;
    for (const auto& address : addresses) {
        out += address.name + " <" + address.local + '@' + address.domain + ">, ";
    }
    return out;
}

// Fields that the summary knows; nothing for others.
std::optional<std::string> summary_field(const mail::MessageEnvelope& envelope, std::string_view name) {
    if (name == "subject") return envelope.subject;
    if (name == "from") return joined(envelope.from);
    if (name == "to") return joined(envelope.to);
    if (name == "cc") return joined(envelope.cc);
    if (name == "bcc") return joined(envelope.bcc);
    return std::nullopt;
}

bool header_has(std::string_view header, std::string_view name, std::string_view needle) {
    while (!header.empty() && header.front() != '\r' && header.front() != '\n') {
        std::string field;
        std::size_t at = 0;
        do {
            auto end = header.find('\n', at);
            if (end == std::string_view::npos) end = header.size() - 1;
            auto line = header.substr(at, end + 1 - at);
            at = end + 1;
            while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
            field += line;
        } while (at < header.size() && (header[at] == ' ' || header[at] == '\t'));
        header.remove_prefix(at);
        const auto colon = field.find(':');
        if (colon == std::string::npos) continue;
        auto found = std::string_view(field).substr(0, colon);
        while (found.ends_with(' ') || found.ends_with('\t')) found.remove_suffix(1);
        if (base::iequals(found, name) && field_has(std::string_view(field).substr(colon + 1), needle)) return true;
    }
    return false;
}

Answer match_header(const SearchKey& key, const Known& known) {
    const auto needle = fold_case(key.text);
    if (known.summary != nullptr && !needle.empty()) {
        if (const auto field = summary_field(known.summary->envelope, key.field))
            return answer(field_has(*field, needle));
    }
    if (known.header == nullptr) return Answer::unknown;
    return answer(header_has(*known.header, key.field, needle));
}

// RFC 9051 §6.4.4: the Date field, disregarding time and zone; the internal date where there is none.
Answer match_sent(Kind kind, const SearchKey& key, const Known& known) {
    if (known.summary == nullptr) return Answer::unknown;
    const auto& envelope = known.summary->envelope;
    const auto seconds =
        envelope.sent ? *envelope.sent + envelope.zone_minutes * 60 : base::to_ms(known.message->received) / 1000;
    return on_day(kind, day_of(seconds), key);
}

bool has_keyword(const Known& known, std::string_view name) {
    const auto& keywords = *known.keywords;
    for (unsigned i = 0; i < keywords.size(); ++i) {
        if (base::iequals(keywords[i], name)) return (known.message->entry.flags & store::flag::keyword(i)) != 0;
    }
    return false;
}

bool in_set(const SearchKey& key, const Known& known) {
    const auto uid = known.message->entry.uid;
    if (key.set.saved) return known.saved->contains(uid);
    if (key.kind == Kind::uid) return key.set.contains(uid, known.view->largest_uid());
    return key.set.contains(known.number, known.view->size());
}

Answer match_children(const SearchKey& key, const Known& known, std::size_t& texts) {
    const bool every = key.kind == Kind::every;
    const auto decides = every ? Answer::no : Answer::yes;
    auto result = every ? Answer::yes : Answer::no;
    for (const auto& child : key.children) {
        const auto a = match(child, known, texts);  // all of them: texts are counted
        if (a == decides) {
            result = a;
        } else if (a == Answer::unknown && result != decides) {
            result = a;
        }
    }
    return result;
}

// Two octets of UTF-8 that are a capital letter become the small one.
void fold_pair(std::string& text, std::size_t at) {
    const unsigned c =
        (static_cast<unsigned char>(text[at]) & 0x1FU) << 6U | (static_cast<unsigned char>(text[at + 1]) & 0x3FU);
    unsigned small = c;
    if (c >= 0xC0 && c <= 0xDE && c != 0xD7) small = c + 0x20;  // Latin-1
    if (c >= 0x100 && c <= 0x137 && c % 2 == 0) small = c + 1;  // Latin Extended-A
    if (c >= 0x139 && c <= 0x148 && c % 2 == 1) small = c + 1;
    if (c >= 0x14A && c <= 0x177 && c % 2 == 0) small = c + 1;
    if (c >= 0x391 && c <= 0x3A9) small = c + 0x20;  // Greek
    if (c >= 0x410 && c <= 0x42F) small = c + 0x20;  // Cyrillic
    if (c >= 0x400 && c <= 0x40F) small = c + 0x50;
    text[at] = static_cast<char>(0xC0U | (small >> 6U));
    text[at + 1] = static_cast<char>(0x80U | (small & 0x3FU));
}

}  // namespace

std::string fold_case(std::string_view utf8) {
    auto out = base::lower(utf8);
    for (std::size_t i = 0; i + 1 < out.size(); ++i) {
        const auto lead = static_cast<unsigned char>(out[i]);
        if (lead >= 0xC3 && lead <= 0xD1 && (static_cast<unsigned char>(out[i + 1]) & 0xC0U) == 0x80)
            fold_pair(out, i++);
    }
    return out;
}

bool field_has(std::string_view field, std::string_view needle) {
    return needle.empty() || fold_case(mail::decode_words(field)).find(needle) != std::string::npos;
}

Answer match(const SearchKey& key, const Known& known, std::size_t& texts) {
    const auto& entry = known.message->entry;
    const auto received = base::to_ms(known.message->received);
    switch (key.kind) {
        case Kind::all: return Answer::yes;
        case Kind::every:
        case Kind::either: return match_children(key, known, texts);
        case Kind::negated: return opposite(match(key.children.front(), known, texts));
        case Kind::sequence:
        case Kind::uid: return answer(in_set(key, known));
        case Kind::flag: return answer((entry.flags & key.number) == key.number);
        case Kind::keyword: return answer(has_keyword(known, key.text));
        case Kind::recent: return Answer::no;
        case Kind::before:
        case Kind::on:
        case Kind::since: return on_day(key.kind, day_of(received / 1000), key);
        case Kind::sent_before: return match_sent(Kind::before, key, known);
        case Kind::sent_on: return match_sent(Kind::on, key, known);
        case Kind::sent_since: return match_sent(Kind::since, key, known);
        // RFC 8514 §4.3: without save dates the internal date counts.
        case Kind::saved_before: return on_day(Kind::before, day_of(received / 1000), key);
        case Kind::saved_on: return on_day(Kind::on, day_of(received / 1000), key);
        case Kind::saved_since: return on_day(Kind::since, day_of(received / 1000), key);
        case Kind::save_date_supported: return Answer::no;
        case Kind::older: return answer((known.now - received) / 1000 >= static_cast<std::int64_t>(key.number));
        case Kind::younger: return answer((known.now - received) / 1000 < static_cast<std::int64_t>(key.number));
        case Kind::larger: return answer(entry.size > key.number);
        case Kind::smaller: return answer(entry.size < key.number);
        case Kind::header: return match_header(key, known);
        case Kind::body:
        case Kind::text: {
            const auto at = texts++;
            return known.texts == nullptr ? Answer::unknown : answer((*known.texts)[at]);
        }
        case Kind::modseq: return answer(entry.modseq >= key.number);
        case Kind::email_id: return answer(key.text == "M" + std::to_string(entry.email));
        case Kind::thread_id: return answer(key.text == "T" + std::to_string(known.message->thread));
    }
    return Answer::no;
}

void collect_texts(const SearchKey& key, std::vector<const SearchKey*>& out) {
    if (key.kind == Kind::body || key.kind == Kind::text) out.push_back(&key);
    for (const auto& child : key.children) collect_texts(child, out);
}

}  // namespace posthorn::imap
