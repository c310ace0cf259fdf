#include "mail/mime/content.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/ascii.hpp"
#include "mail/mime/charset.hpp"
#include "mail/mime/encoded_word.hpp"

namespace posthorn::mail {
namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\t'; }

class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool at_end() const { return at_ == text_.size(); }
    char peek() const { return text_[at_]; }
    void skip() { ++at_; }

    void skip_space() {
        while (!at_end()) {
            if (is_space(peek()))
                skip();
            else if (peek() == '(')
                skip_comment();
            else
                break;
        }
    }

    // Up to one of `stops`; comments are dropped, quoted strings unquoted, space at the end cut off.
    std::string take(std::string_view stops) {
        std::string out;
        std::size_t keep = 0;
        skip_space();
        while (!at_end() && stops.find(peek()) == std::string_view::npos) {
            if (peek() == '"') {
                take_quoted(out);
                keep = out.size();
            } else if (peek() == '(') {
                skip_comment();
            } else {
                out += peek();
                if (!is_space(peek())) keep = out.size();
                skip();
            }
        }
        out.resize(keep);
        return out;
    }

private:
    void take_quoted(std::string& out) {
        for (skip(); !at_end() && peek() != '"'; skip()) {
            if (peek() == '\\' && at_ + 1 < text_.size()) skip();
            out += peek();
        }
        if (!at_end()) skip();
    }

    void skip_comment() {
        std::size_t depth = 0;
        for (; !at_end(); skip()) {
            if (peek() == '\\' && at_ + 1 < text_.size())
                skip();
            else if (peek() == '(')
                ++depth;
            else if (peek() == ')' && --depth == 0)
                return skip();
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// RFC 2231 §4: "%41".
std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '%' && at + 2 < text.size() + 0 && base::hex_digit(text[at + 1]) >= 0 &&
            base::hex_digit(text[at + 2]) >= 0) {
            out += static_cast<char>(base::hex_digit(text[at + 1]) * 16 + base::hex_digit(text[at + 2]));
            at += 2;
        } else {
            out += text[at];
        }
    }
    return out;
}

// "charset'language'text"; without the quotes it is all text.
std::pair<std::string_view, std::string_view> split_charset(std::string_view value) {
    const auto first = value.find('\'');
    const auto second = first == std::string_view::npos ? first : value.find('\'', first + 1);
    if (second == std::string_view::npos) return {{}, value};
    return {value.substr(0, first), value.substr(second + 1)};
}

struct Section {
    std::string_view value;
    bool encoded = false;
};

// The sections "name*", "name*0", "name*1*" … by number.
std::map<unsigned, Section> sections_of(const MimeParameters& parameters, std::string_view name) {
    std::map<unsigned, Section> out;
    for (const auto& [key, value] : parameters) {
        std::string_view rest = key;
        if (!rest.starts_with(name) || rest.size() == name.size() || rest[name.size()] != '*') continue;
        rest.remove_prefix(name.size() + 1);
        const bool encoded = rest.empty() || rest.ends_with('*');
        if (rest.ends_with('*')) rest.remove_suffix(1);
        unsigned number = 0;
        if (!rest.empty()) {
            const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
            if (error != std::errc{} || end != rest.data() + rest.size()) continue;
        }
        out.try_emplace(number, Section{value, encoded});
    }
    return out;
}

}  // namespace

ContentField parse_content_field(std::string_view field, std::size_t max_parameters) {
    Scanner in(field);
    ContentField out;
    out.value = base::lower(in.take(";"));
    std::erase_if(out.value, is_space);
    while (!in.at_end()) {
        in.skip();  // ';'
        auto name = base::lower(in.take("=;"));
        if (in.at_end() || in.peek() == ';') continue;
        in.skip();
        auto value = in.take(";");
        if (name.empty() || out.parameters.size() >= max_parameters) continue;
        const bool known = std::ranges::any_of(out.parameters, [&](const auto& p) { return p.first == name; });
        if (!known) out.parameters.emplace_back(std::move(name), std::move(value));
    }
    return out;
}

std::string_view raw_parameter(const MimeParameters& parameters, std::string_view name) {
    for (const auto& [key, value] : parameters) {
        if (key == name) return value;
    }
    return {};
}

std::optional<std::string> parameter(const MimeParameters& parameters, std::string_view name) {
    const auto sections = sections_of(parameters, name);
    if (!sections.empty() && sections.contains(0)) {
        std::string_view charset;
        std::string bytes;
        unsigned expected = 0;
        for (const auto& [number, section] : sections) {
            if (number != expected++) break;
            auto value = section.value;
            if (number == 0 && section.encoded) std::tie(charset, value) = split_charset(value);
            bytes += section.encoded ? percent_decoded(value) : std::string(value);
        }
        return to_utf8(charset, bytes);
    }
    for (const auto& [key, value] : parameters) {
        if (key == name) return decode_words(value);
    }
    return std::nullopt;
}

}  // namespace posthorn::mail
