// What IMAP shows of mails of anybody: whatever stands in a message, ENVELOPE, BODYSTRUCTURE and the sections are
// well-formed; base subjects and sort keys are made; a THREAD of the ids in it tells each message once.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mail/mime/casemap.hpp"
#include "mail/mime/encoded_word.hpp"
#include "mail/mime/subject.hpp"
#include "proto/imap/section.hpp"
#include "proto/imap/sort.hpp"
#include "proto/imap/structure.hpp"
#include "proto/imap/thread.hpp"

using namespace posthorn;
using namespace posthorn::imap;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

// One value of a response: parentheses, NIL and numbers, quoted strings, literals. What is left of `text` behind it.
std::string_view value(std::string_view text) {
    std::size_t depth = 0;
    do {
        require(!text.empty());
        const char c = text.front();
        text.remove_prefix(1);
        if (c == '(') ++depth;
        if (c == ')') {
            require(depth > 0);
            --depth;
        }
        require(c != '\r' && c != '\n' && c != '\0');
        if (c == '"') {
            while (true) {
                require(!text.empty() && text.front() != '\r' && text.front() != '\n' && text.front() != '\0');
                const char in = text.front();
                text.remove_prefix(in == '\\' ? 2 : 1);
                if (in == '"') break;
            }
        }
        if (c == '{') {
            std::size_t size = 0;
            while (text.front() != '}') {
                require(text.front() >= '0' && text.front() <= '9');
                size = size * 10 + static_cast<std::size_t>(text.front() - '0');
                text.remove_prefix(1);
                require(!text.empty());
            }
            require(text.size() >= 3 + size && text.substr(0, 3) == "}\r\n");
            require(text.substr(3, size).find('\0') == std::string_view::npos);
            text.remove_prefix(3 + size);
        }
    } while (depth > 0);
    return text;
}

void show(const mail::Summary& summary, bool utf8) {
    std::string out;
    put_envelope(out, summary.envelope, utf8);
    require(value(out).empty());
    for (const bool extended : {false, true}) {
        out.clear();
        put_structure(out, summary, extended, utf8);
        require(value(out).empty());
    }
}

void sections(const mail::Summary& summary, std::string_view bytes) {
    for (const auto what : {Section::What::all, Section::What::header, Section::What::text, Section::What::mime}) {
        for (std::uint32_t part = 0; part < 4; ++part) {
            Section section{.what = what};
            if (part > 0) section.part = {part, part};
            const auto where = locate(summary, section);
            require(!where || (where->begin <= where->end && where->end <= bytes.size()));
        }
    }
    const auto header = bytes.substr(0, summary.parts.front().body);
    const auto fields = filter_header(header, {.what = Section::What::header_fields, .fields = {"subject", "To"}});
    require(fields.size() <= header.size() + 4 && fields.ends_with("\r\n"));
}

void threads(const mail::Summary& summary) {
    Threader threader(Threader::Algorithm::references);
    const auto& keys = summary.thread;
    std::uint32_t number = 0;
    const auto add = [&](const std::string& id, std::size_t refers) {
        threader.add({.number = ++number,
                      .sent = static_cast<std::int64_t>(id.size() % 3),
                      .subject = number % 2 == 0 ? mail::casemap(keys.base_subject) : "",
                      .answer = number % 3 == 0,
                      .message_id = id,
                      .references = {keys.references.begin(),
                                     keys.references.begin() + static_cast<std::ptrdiff_t>(refers)}});
    };
    add(keys.message_id, keys.references.size());
    for (std::size_t i = 0; i < keys.references.size(); ++i) add(keys.references[i], keys.references.size() - i);
    while (threader.step()) {
    }
    std::string out;
    while (threader.put(out, out.size() + 100)) {
    }
    std::size_t told = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto digit = [&out](std::size_t at) { return at < out.size() && out[at] >= '0' && out[at] <= '9'; };
        if (digit(i) && !digit(i + 1)) ++told;
    }
    require(told == number);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    mail::SummaryBuilder builder;
    builder.feed(bytes);
    const auto summary = builder.finish();
    show(summary, false);
    show(summary, true);
    sections(summary, bytes);
    threads(summary);
    const std::vector<SortCriterion> all{{SortCriterion::By::subject, true},
                                         {SortCriterion::By::display_from},
                                         {SortCriterion::By::to},
                                         {SortCriterion::By::date}};
    require(!sort_key(all, &summary, 0, size).empty());
    const auto words = mail::decode_words(bytes);
    require(words.find('\n') == std::string::npos && words.find('\0') == std::string::npos);
    const auto base = mail::base_subject(bytes);
    require(!base.text.starts_with(' ') && !base.text.ends_with(' '));
    require(mail::casemap(bytes).find('\0') == std::string::npos || bytes.find('\0') != std::string_view::npos);
    return 0;
}
