#include "mail/address_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/utf8.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxQuoted = 100;

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

// What stands at text[at]: a quoted string, a domain literal or a comment, to its end (or the text's).
std::size_t end_of_quoted(std::string_view text, std::size_t at, char closing) {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\')
            ++at;
        else if (text[at] == closing)
            return at + 1;
    }
    return text.size();
}

std::size_t end_of_comment(std::string_view text, std::size_t at) {
    int depth = 0;
    for (; at < text.size(); ++at) {
        if (text[at] == '\\')
            ++at;
        else if (text[at] == '(')
            ++depth;
        else if (text[at] == ')' && --depth == 0)
            return at + 1;
    }
    return text.size();
}

// RFC 5322 §4.4: "<@a,@b:local@domain>", a route of long ago, is ignored.
std::string_view without_route(std::string_view text) {
    if (!text.starts_with('@')) return text;
    const auto colon = text.find(':');
    return colon == std::string_view::npos ? text : text.substr(colon + 1);
}

// Cuts a list into its entries, comments removed. In an entry with an angle address only that is kept.
class Splitter {
public:
    explicit Splitter(std::string_view text) : text_(text) {}

    // The next entry that says something.
    std::optional<std::string> next() {
        while (at_ < text_.size()) {
            auto one = entry();
            if (!one.empty()) return one;
        }
        return std::nullopt;
    }

private:
    std::string entry() {
        std::string words;
        std::optional<std::string> angle;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == ',' || c == ';') {
                ++at_;
                break;
            }
            if (c == ':') {  // a group's name ends
                ++at_;
                words.clear();
            } else if (c == '(') {
                at_ = end_of_comment(text_, at_);
            } else if (c == '"') {
                take(words, end_of_quoted(text_, at_, '"'));
            } else if (c == '[') {
                take(words, end_of_quoted(text_, at_, ']'));
            } else if (c == '<') {
                angle = angle_address();
            } else {
                words += c;
                ++at_;
            }
        }
        if (angle) return angle->empty() ? "<>" : *angle;
        return std::string(trimmed(words));
    }

    std::string angle_address() {
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != '>';) {
            if (text_[at_] == '"')
                take(out, end_of_quoted(text_, at_, '"'));
            else if (text_[at_] == '(')
                at_ = end_of_comment(text_, at_);
            else
                out += text_[at_++];
        }
        if (at_ < text_.size()) ++at_;
        return std::string(without_route(trimmed(out)));
    }

    void take(std::string& into, std::size_t end) {
        into += text_.substr(at_, end - at_);
        at_ = end;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

std::expected<Address, std::string> to_address(const std::string& entry, std::string_view default_domain) {
    std::string text = entry;
    if (text.find('@') == std::string::npos && !text.empty()) text += "@" + std::string(default_domain);
    if (auto address = parse_address(text)) return *std::move(address);
    return std::unexpected(fmt::format("\"{}\" is not a mail address", base::printable(entry, kMaxQuoted)));
}

}  // namespace

std::expected<std::vector<Address>, std::string> parse_address_list(std::string_view field,
                                                                    std::string_view default_domain) {
    std::vector<Address> out;
    Splitter entries(field);
    while (const auto entry = entries.next()) {
        auto address = to_address(*entry, default_domain);
        if (!address) return std::unexpected(address.error());
        if (out.size() == kMaxListedAddresses) return std::unexpected("there are too many addresses");
        out.push_back(*std::move(address));
    }
    return out;
}

std::expected<Address, std::string> parse_mailbox(std::string_view text, std::string_view default_domain) {
    auto list = parse_address_list(text, default_domain);
    if (!list) return std::unexpected(list.error());
    if (list->size() != 1)
        return std::unexpected(fmt::format("\"{}\" is not one mail address", base::printable(text, kMaxQuoted)));
    return std::move(list->front());
}

}  // namespace posthorn::mail
