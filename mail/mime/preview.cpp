#include "mail/mime/preview.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.hpp"
#include "base/utf8.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxEntity = 10;

// Collects characters until there are enough.
class Line {
public:
    explicit Line(std::size_t max) : max_(max) {}

    bool full() const { return count_ >= max_; }
    void space() { gap_ = !out_.empty(); }
    void add(std::string_view character) {
        if (full()) return;
        if (std::exchange(gap_, false)) {
            out_ += ' ';
            if (++count_ >= max_) return;
        }
        out_ += character;
        ++count_;
    }
    std::string take() {
        while (out_.ends_with(' ')) out_.pop_back();
        return std::move(out_);
    }

private:
    std::size_t max_;
    std::size_t count_ = 0;
    std::string out_;
    bool gap_ = false;
};

// The character at text[at], spaces told as such; gives its octets.
std::size_t add_character(std::string_view text, std::size_t at, Line& line) {
    const auto length = std::max<std::size_t>(1, base::utf8_length(text, at));
    const auto piece = text.substr(at, length);
    const auto first = static_cast<unsigned char>(text[at]);
    const bool c1 = first == 0xC2 && length == 2 && static_cast<unsigned char>(text[at + 1]) <= 0xA0;
    if (first <= ' ' || first == 0x7F || c1)
        line.space();
    else if (first < 0x80 || length > 1)
        line.add(piece);
    return length;
}

struct Entity {
    std::string_view name;
    std::string_view text;
};
constexpr std::array<Entity, 8> kEntities{{{"amp", "&"},
                                           {"lt", "<"},
                                           {"gt", ">"},
                                           {"quot", "\""},
                                           {"apos", "'"},
                                           {"nbsp", " "},
                                           {"#39", "'"},
                                           {"#160", " "}}};

// At text[at] == '&': its octets, 0 when it is none we know.
std::size_t add_entity(std::string_view text, std::size_t at, Line& line) {
    const auto rest = text.substr(at + 1, kMaxEntity);
    const auto end = rest.find(';');
    if (end == std::string_view::npos) return 0;
    for (const auto& [name, value] : kEntities) {
        if (rest.substr(0, end) != name) continue;
        if (value == " ")
            line.space();
        else
            line.add(value);
        return end + 2;
    }
    return 0;
}

// Behind the tag at text[at] == '<'; of a script or a style behind its end.
std::size_t behind_tag(std::string_view text, std::size_t at) {
    const auto rest = text.substr(at);
    if (rest.starts_with("<!--")) {
        const auto end = rest.find("-->");
        return end == std::string_view::npos ? text.size() : at + end + 3;
    }
    for (const std::string_view name : {"script", "style", "title", "head"}) {
        if (!base::istarts_with(rest.substr(1), name)) continue;
        if (rest.size() > name.size() + 1 && base::is_alnum(rest[name.size() + 1])) continue;  // "<header>"
        for (auto end = at + 1; (end = text.find("</", end)) != std::string_view::npos; ++end) {
            if (!base::istarts_with(text.substr(end + 2), name)) continue;
            const auto close = text.find('>', end);
            return close == std::string_view::npos ? text.size() : close + 1;
        }
        return text.size();
    }
    const auto end = rest.find('>');
    return end == std::string_view::npos ? text.size() : at + end + 1;
}

}  // namespace

std::string preview_of(std::string_view text, bool html, std::size_t max) {
    Line line(max);
    for (std::size_t at = 0; at < text.size() && !line.full();) {
        if (html && text[at] == '<') {
            at = behind_tag(text, at);
            line.space();
            continue;
        }
        if (html && text[at] == '&') {
            if (const auto size = add_entity(text, at, line); size != 0) {
                at += size;
                continue;
            }
        }
        at += add_character(text, at, line);
    }
    return line.take();
}

}  // namespace posthorn::mail
