#include "mail/mime/html_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/ascii.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxName = 16;
constexpr std::size_t kMaxTag = 16 * 1024;  // octets; what goes on longer is text again
constexpr std::size_t kMaxEntity = 10;

// Within words they mean nothing.
constexpr auto kInline = std::to_array<std::string_view>(
    {"a", "abbr", "acronym", "b",     "bdo",  "big",    "cite",   "em",  "font", "i",  "ins", "kbd", "mark",
     "q", "s",    "samp",    "small", "span", "strike", "strong", "sub", "sup",  "tt", "u",   "var", "wbr"});

// HTML 4's names of U+00A0 to U+00FF, in order.
constexpr auto kLatin = std::to_array<std::string_view>(
    {"nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",    "copy",   "ordf",
     "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn", "sup2",   "sup3",   "acute",  "micro",
     "para",   "middot", "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave",
     "Aacute", "Acirc",  "Atilde", "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",
     "Igrave", "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",
     "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",  "szlig",  "agrave", "aacute",
     "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil", "egrave", "eacute", "ecirc",  "euml",   "igrave",
     "iacute", "icirc",  "iuml",   "eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide",
     "oslash", "ugrave", "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"});
static_assert(kLatin.size() == 96);

constexpr auto kOthers = std::to_array<std::pair<std::string_view, char32_t>>(
    {{"amp", '&'},       {"lt", '<'},       {"gt", '>'},       {"quot", '"'},     {"apos", '\''},
     {"euro", 0x20AC},   {"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018}, {"rsquo", 0x2019},
     {"sbquo", 0x201A},  {"ldquo", 0x201C}, {"rdquo", 0x201D}, {"bdquo", 0x201E}, {"bull", 0x2022},
     {"hellip", 0x2026}, {"trade", 0x2122}, {"oelig", 0x0153}, {"OElig", 0x0152}, {"scaron", 0x0161}});

void append_utf8(std::string& out, char32_t c) {
    const auto octet = [&out](char32_t bits) { out += static_cast<char>(bits); };
    if (c < 0x80) return octet(c);
    if (c < 0x800) {
        octet(0xC0 | c >> 6);
    } else {
        if (c < 0x10000) {
            octet(0xE0 | c >> 12);
        } else {
            octet(0xF0 | c >> 18);
            octet(0x80 | (c >> 12 & 0x3F));
        }
        octet(0x80 | (c >> 6 & 0x3F));
    }
    octet(0x80 | (c & 0x3F));
}

// 0: it is none.
char32_t character_of(std::string_view entity) {
    if (entity.starts_with('#')) {
        entity.remove_prefix(1);
        const bool hex = entity.starts_with('x') || entity.starts_with('X');
        if (hex) entity.remove_prefix(1);
        std::uint32_t value = 0;
        const auto [end, error] =
            std::from_chars(entity.data(), entity.data() + entity.size(), value, hex ? 16 : 10);
        const bool good = error == std::errc() && end == entity.data() + entity.size() && value <= 0x10FFFF &&
                          (value < 0xD800 || value > 0xDFFF);
        return good ? value : 0;
    }
    for (const auto& [name, c] : kOthers) {
        if (name == entity) return c;
    }
    const auto latin = std::ranges::find(kLatin, entity);
    return latin == kLatin.end() ? 0 : static_cast<char32_t>(0xA0 + (latin - kLatin.begin()));
}

}  // namespace

void HtmlText::feed(std::string_view html, std::string& out) {
    while (!html.empty()) {
        if (state_ == State::text) {
            const auto plain = std::min(html.find_first_of("<&"), html.size());
            out += html.substr(0, plain);
            html.remove_prefix(plain);
            if (html.empty()) return;
        }
        step(html.front(), out);
        html.remove_prefix(1);
    }
}

void HtmlText::finish(std::string& out) {
    if (state_ == State::entity) out += '&' + name_;
    if (state_ == State::open) out += '<';
    *this = HtmlText();
}

void HtmlText::step(char c, std::string& out) {
    switch (state_) {
        case State::text:
            name_.clear();
            seen_ = 0;
            state_ = c == '<' ? State::open : State::entity;
            return;
        case State::open:
            if (base::is_alpha(c) || c == '/' || c == '!' || c == '?') {
                state_ = State::name;
                return in_name(c, out);
            }
            state_ = State::text;
            out += '<';
            return feed({&c, 1}, out);
        case State::name: return in_name(c, out);
        case State::inside:
            if (c == '>' || ++seen_ > kMaxTag) return end_tag(out);
            if (c == '"' || c == '\'') {
                quote_ = c;
                state_ = State::quoted;
            }
            return;
        case State::quoted:
            if (++seen_ > kMaxTag) return end_tag(out);
            if (c == quote_) state_ = State::inside;
            return;
        case State::comment:
            if (c == '>' && seen_ >= 2) {
                out += ' ';
                state_ = State::text;
            }
            seen_ = c == '-' ? seen_ + 1 : 0;
            return;
        case State::raw:
            if (base::to_lower(c) == raw_[seen_]) {
                if (++seen_ < raw_.size()) return;
                seen_ = 0;
                state_ = State::inside;
                return;
            }
            seen_ = c == '<' ? 1 : 0;
            return;
        case State::entity:
            if (c == ';') return end_entity(out);
            if ((base::is_alnum(c) || (c == '#' && name_.empty())) && name_.size() < kMaxEntity) {
                name_ += c;
                return;
            }
            out += '&' + name_;
            state_ = State::text;
            return feed({&c, 1}, out);
    }
}

void HtmlText::in_name(char c, std::string& out) {
    const bool part = base::is_alnum(c) || c == '!' || c == '?' || c == '-' || (c == '/' && name_.empty());
    if (part && name_.size() < kMaxName) {
        name_ += base::to_lower(c);
        if (name_ == "!--") {
            seen_ = 0;
            state_ = State::comment;
        }
        return;
    }
    state_ = State::inside;
    step(c, out);
}

void HtmlText::end_tag(std::string& out) {
    state_ = State::text;
    const auto name = std::string_view(name_).substr(name_.starts_with('/') ? 1 : 0);
    if (std::ranges::find(kInline, name) == kInline.end()) out += ' ';
    if (name_ != "script" && name_ != "style") return;
    raw_ = "</" + name_;
    name_.clear();
    seen_ = 0;
    state_ = State::raw;
}

void HtmlText::end_entity(std::string& out) {
    state_ = State::text;
    if (const auto c = character_of(name_); c != 0)
        append_utf8(out, c);
    else
        out += '&' + name_ + ';';
}

}  // namespace posthorn::mail
