#include "mail/mime/addresses.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxMessageId = 998;

constexpr bool is_space(char c) { return c == ' ' || c == '\t'; }

class Lister {
public:
    Lister(std::string_view text, std::size_t max) : text_(text), max_(max) {}

    std::vector<ListedAddress> run() {
        while (at_ < text_.size() && out_.size() < max_) step();
        entry_ends();
        if (in_group_) add({.kind = ListedAddress::Kind::group_end});
        return std::move(out_);
    }

private:
    void step() {
        const char c = text_[at_];
        switch (c) {
            case ',': ++at_; return entry_ends();
            case ';':
                ++at_;
                entry_ends();
                if (std::exchange(in_group_, false)) add({.kind = ListedAddress::Kind::group_end});
                return;
            case ':': return group_begins();
            case '<': return angle();
            case '(': {
                auto text = comment();
                if (comment_.empty()) comment_ = std::move(text);
                return;
            }
            case '"': {
                const auto text = quoted();
                word(text);
                spec_ += text;
                return;
            }
            case '[': return literal();
            default: break;
        }
        ++at_;
        if (is_space(c)) {
            gap_ = true;
            return;
        }
        if (c == '@') sign_ = spec_.size();
        spec_ += c;
        if (gap_ && !words_.empty()) words_ += ' ';
        gap_ = false;
        words_ += c;
    }

    void word(std::string_view text) {
        if (gap_ && !words_.empty()) words_ += ' ';
        gap_ = false;
        words_ += text;
    }

    // A colon behind an "@" is no group's: "a@b:c".
    void group_begins() {
        ++at_;
        if (sign_ || in_group_) {
            spec_ += ':';
            return word(":");
        }
        add({.kind = ListedAddress::Kind::group_begin, .name = std::exchange(words_, {})});
        in_group_ = true;
        clear();
    }

    void angle() {
        std::string spec;
        std::optional<std::size_t> sign;
        for (++at_; at_ < text_.size() && text_[at_] != '>';) {
            const char c = text_[at_];
            if (c == '"') {
                spec += quoted();
            } else if (c == '(') {
                comment();
            } else {
                ++at_;
                if (is_space(c)) continue;
                // RFC 5322 §4.4: "<@a,@b:local@domain>", a route, is ignored.
                if (c == ':' && spec.starts_with('@')) {
                    spec.clear();
                    sign.reset();
                    continue;
                }
                if (c == '@') sign = spec.size();
                spec += c;
            }
        }
        if (at_ < text_.size()) ++at_;
        angle_ = split(spec, sign);
    }

    static ListedAddress split(const std::string& spec, std::optional<std::size_t> sign) {
        if (!sign) return {.local = spec};
        return {.local = spec.substr(0, *sign), .domain = spec.substr(*sign + 1)};
    }

    std::string quoted() {
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
            out += text_[at_];
        }
        if (at_ < text_.size()) ++at_;
        return out;
    }

    std::string comment() {
        std::string out;
        std::size_t depth = 0;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '\\' && at_ + 1 < text_.size()) {
                out += text_[++at_];
                continue;
            }
            if (c == '(' && depth++ == 0) continue;
            if (c == ')' && --depth == 0) {
                ++at_;
                break;
            }
            out += c;
        }
        return out;
    }

    void literal() {
        const auto end = std::min(text_.size(), text_.find(']', at_));
        const auto size = std::min(text_.size(), end == text_.size() ? end : end + 1) - at_;
        spec_ += text_.substr(at_, size);
        word(text_.substr(at_, size));
        at_ += size;
    }

    void entry_ends() {
        if (angle_) {
            angle_->name = words_.empty() ? comment_ : words_;
            if (!angle_->local.empty() || !angle_->domain.empty() || !angle_->name.empty()) add(*std::move(angle_));
        } else if (!spec_.empty()) {
            auto address = split(sign_ ? spec_ : words_, sign_);
            address.name = comment_;
            add(std::move(address));
        }
        clear();
    }

    void add(ListedAddress address) {
        if (out_.size() < max_) out_.push_back(std::move(address));
    }

    void clear() {
        words_.clear();
        spec_.clear();
        comment_.clear();
        angle_.reset();
        sign_.reset();
        gap_ = false;
    }

    std::string_view text_;
    std::size_t max_;
    std::size_t at_ = 0;
    std::vector<ListedAddress> out_;
    bool in_group_ = false;
    // The entry at hand.
    std::string words_;                // as a display name
    std::string spec_;                 // as an address: without spaces
    std::optional<std::size_t> sign_;  // where its "@" stands
    std::string comment_;              // the first one: a name of long ago, "a@b (Name)"
    std::optional<ListedAddress> angle_;
    bool gap_ = false;
};

}  // namespace

std::vector<ListedAddress> parse_listed(std::string_view field, std::size_t max) {
    return Lister(field, max).run();
}

std::vector<std::string> parse_message_ids(std::string_view field, std::size_t max) {
    std::vector<std::string> out;
    for (std::size_t at = 0; (at = field.find('<', at)) != std::string_view::npos;) {
        const auto end = field.find('>', at);
        if (end == std::string_view::npos) break;
        std::string id(field.substr(at, end + 1 - at));
        at = end + 1;
        std::erase_if(id, is_space);
        if (id.size() <= 2 || id.size() > kMaxMessageId) continue;
        // The first one names the thread, the last ones the message that is answered.
        if (max != 0 && out.size() == max) out.erase(out.begin() + (max > 1 ? 1 : 0));
        if (max != 0) out.push_back(std::move(id));
    }
    return out;
}

}  // namespace posthorn::mail
