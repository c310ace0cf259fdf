#include "mail/mime/encoded_word.hpp"

#include <algorithm>
#include <optional>

#include "base/ascii.hpp"
#include "mail/mime/charset.hpp"
#include "mail/mime/transfer.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxWord = 4096;  // octets searched for the end of a word

constexpr bool is_space(char c) { return c == ' ' || c == '\t'; }

struct Word {
    std::string_view charset;
    char encoding = 'q';
    std::string_view text;
    std::size_t size = 0;  // octets of the whole word
};

// At text[0] == "=?".
std::optional<Word> word_at(std::string_view text) {
    text = text.substr(0, kMaxWord);
    const auto charset_end = text.find('?', 2);
    if (charset_end == std::string_view::npos || charset_end + 2 >= text.size()) return std::nullopt;
    const char encoding = base::to_lower(text[charset_end + 1]);
    if ((encoding != 'q' && encoding != 'b') || text[charset_end + 2] != '?') return std::nullopt;
    const auto begin = charset_end + 3;
    const auto end = text.find("?=", begin);
    if (end == std::string_view::npos) return std::nullopt;
    auto charset = text.substr(2, charset_end - 2);
    charset = charset.substr(0, charset.find('*'));  // RFC 2231 §5: a language
    if (charset.empty()) return std::nullopt;
    return Word{charset, encoding, text.substr(begin, end - begin), end + 2};
}

std::string octets_of(const Word& word) {
    std::string out;
    if (word.encoding == 'b') {
        TransferDecoder decoder(TransferEncoding::base64);
        decoder.decode(word.text, out);
        return out;
    }
    for (std::size_t at = 0; at < word.text.size(); ++at) {  // RFC 2047 §4.2
        const char c = word.text[at];
        const auto hex = [&](std::size_t i) { return i < word.text.size() ? base::hex_digit(word.text[i]) : -1; };
        if (c == '_') {
            out += ' ';
        } else if (c == '=' && hex(at + 1) >= 0 && hex(at + 2) >= 0) {
            out += static_cast<char>(hex(at + 1) * 16 + hex(at + 2));
            at += 2;
        } else {
            out += c;
        }
    }
    return out;
}

class Decoder {
public:
    std::string run(std::string_view field) {
        std::size_t plain = 0;  // where text that is no word began
        std::size_t at = 0;
        std::size_t failed_until = 0;  // no "?=" before it: spares a search from each "=?" of a hostile field
        while (at < field.size()) {
            if (field[at] != '=' || !field.substr(at).starts_with("=?") || at < failed_until) {
                ++at;
                continue;
            }
            const auto word = word_at(field.substr(at));
            if (!word) {
                if (field.substr(at, kMaxWord).find("?=", 2) == std::string_view::npos)
                    failed_until = at + kMaxWord / 2;
                at += 2;
                continue;
            }
            text(field.substr(plain, at - plain));
            take(*word);
            at += word->size;
            plain = at;
        }
        text(field.substr(plain));
        flush();
        std::ranges::replace_if(
            out_, [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7F'; }, ' ');
        return std::move(out_);
    }

private:
    void text(std::string_view bytes) {
        if (bytes.empty()) return;
        if (after_word_ && std::ranges::all_of(bytes, is_space)) {
            spaces_ = bytes;
            return;
        }
        flush();
        out_ += to_utf8("", bytes);
        after_word_ = false;
    }

    // Words of one charset in a row are converted together: some senders cut characters in two.
    void take(const Word& word) {
        if (!base::iequals(charset_, word.charset)) flush_octets();
        spaces_ = {};
        charset_ = word.charset;
        octets_ += octets_of(word);
        after_word_ = true;
    }

    void flush_octets() {
        if (!octets_.empty()) out_ += to_utf8(charset_, octets_);
        octets_.clear();
    }
    void flush() {
        flush_octets();
        out_ += spaces_;
        spaces_ = {};
    }

    std::string out_;
    std::string octets_;
    std::string_view charset_;
    std::string_view spaces_;
    bool after_word_ = false;
};

}  // namespace

std::string decode_words(std::string_view field) { return Decoder().run(field); }

}  // namespace posthorn::mail
