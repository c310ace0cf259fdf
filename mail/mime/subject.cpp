#include "mail/mime/subject.hpp"

#include <optional>
#include <utility>

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "mail/mime/encoded_word.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxSubject = 2048;

std::string folded(std::string_view text) {
    std::string out;
    bool gap = false;
    for (const char c : text) {
        if (c == ' ' || c == '\t') {
            gap = !out.empty();
            continue;
        }
        if (std::exchange(gap, false)) out += ' ';
        out += c;
    }
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

// subj-blob: "[list] "; what stands behind it, or nothing.
std::optional<std::string_view> behind_blob(std::string_view text) {
    if (!text.starts_with('[')) return std::nullopt;
    const auto end = text.find_first_of("[]", 1);
    if (end == std::string_view::npos || text[end] == '[') return std::nullopt;
    return trimmed(text.substr(end + 1));
}

// subj-refwd: ("re" / "fw" / "fwd") [subj-blob] ":"
std::optional<std::string_view> behind_refwd(std::string_view text) {
    for (const std::string_view word : {"fwd", "fw", "re"}) {
        if (!base::istarts_with(text, word)) continue;
        auto rest = trimmed(text.substr(word.size()));
        if (const auto behind = behind_blob(rest)) rest = *behind;
        if (rest.starts_with(':')) return trimmed(rest.substr(1));
    }
    return std::nullopt;
}

// One of the blobs and one subj-refwd at the beginning: *subj-blob subj-refwd.
std::optional<std::string_view> behind_leader(std::string_view text) {
    while (const auto behind = behind_blob(text)) text = *behind;
    return behind_refwd(text);
}

}  // namespace

BaseSubject base_subject(std::string_view field) {
    BaseSubject out;
    const auto whole = folded(decode_words(field.substr(0, kMaxSubject)));
    std::string_view text = trimmed(whole);
    for (bool again = true; again;) {
        again = false;
        while (text.size() >= 5 && base::iequals(text.substr(text.size() - 5), "(fwd)")) {  // (2)
            text = trimmed(text.substr(0, text.size() - 5));
            out.answer = true;
        }
        for (bool more = true; more;) {  // (3), (4), (5)
            more = false;
            while (const auto behind = behind_leader(text)) {
                text = *behind;
                out.answer = more = true;
            }
            if (const auto behind = behind_blob(text); behind && !behind->empty()) {
                text = *behind;
                more = true;
            }
        }
        if (base::istarts_with(text, "[fwd:") && text.ends_with(']')) {  // (6)
            text = trimmed(text.substr(5, text.size() - 6));
            out.answer = again = true;
        }
    }
    out.text = text;
    return out;
}

}  // namespace posthorn::mail
