#include "proto/smtp/reply_parser.hpp"

#include <algorithm>
#include <array>

#include "base/ascii.hpp"
#include "base/utf8.hpp"

namespace posthorn::smtp {
namespace {

// Digits at text[at], at most three; how many.
std::size_t digits(std::string_view text, std::size_t at) {
    std::size_t count = 0;
    while (count < 4 && at + count < text.size() && base::is_digit(text[at + count])) ++count;
    return count <= 3 ? count : 0;
}

std::string_view without_code(std::string_view line) {
    const auto code = enhanced_code(line);
    line.remove_prefix(code.size());
    while (line.starts_with(' ')) line.remove_prefix(1);
    return line;
}

struct Meaning {
    int code;
    std::string_view elsewhere;  // subject.detail
    std::string_view at_rcpt;
};

// What RFC 5321 §4.2.3 and RFC 3463 say about the same thing.
constexpr std::array kMeanings = {
    Meaning{421, "3.2", "3.2"}, Meaning{432, "7.12", "7.12"}, Meaning{450, "2.0", "2.1"},
    Meaning{451, "3.0", "3.0"}, Meaning{452, "3.1", "5.3"},   Meaning{454, "7.0", "7.0"},
    Meaning{455, "5.4", "5.4"}, Meaning{500, "5.2", "5.2"},   Meaning{501, "5.4", "1.3"},
    Meaning{502, "5.1", "5.1"}, Meaning{503, "5.1", "5.1"},   Meaning{504, "5.4", "5.4"},
    Meaning{521, "3.2", "3.2"}, Meaning{530, "7.0", "7.0"},   Meaning{534, "7.9", "7.9"},
    Meaning{535, "7.8", "7.8"}, Meaning{538, "7.11", "7.11"}, Meaning{550, "7.1", "1.1"},
    Meaning{551, "1.6", "1.6"}, Meaning{552, "3.4", "2.2"},   Meaning{553, "1.7", "1.3"},
    Meaning{554, "6.0", "7.1"}, Meaning{555, "5.4", "5.4"},   Meaning{556, "1.10", "1.10"},
};

}  // namespace

std::string_view enhanced_code(std::string_view line) {
    if (line.size() < 5 || (line[0] != '2' && line[0] != '4' && line[0] != '5') || line[1] != '.') return {};
    const auto subject = digits(line, 2);
    if (subject == 0 || line.size() <= 2 + subject || line[2 + subject] != '.') return {};
    const auto detail = digits(line, 3 + subject);
    const auto end = 3 + subject + detail;
    if (detail == 0 || (end < line.size() && line[end] != ' ')) return {};
    return line.substr(0, end);
}

std::string RemoteReply::text() const {
    std::string out;
    for (const auto& line : lines) {
        const auto piece = without_code(line);
        if (piece.empty()) continue;
        if (!out.empty()) out += ' ';
        out += piece;
        if (out.size() > kMaxReplyText) break;
    }
    return base::printable(out, kMaxReplyText);
}

void ReplyParser::clear() {
    buffer_.clear();
    at_ = searched_ = kept_ = count_ = 0;
    partial_ = {};
}

bool ReplyParser::line(std::string_view text) {
    const bool code =
        text.size() >= 3 && text[0] >= '2' && text[0] <= '5' && base::is_digit(text[1]) && base::is_digit(text[2]);
    // Servers are known that send a bare "250": RFC 5321 §4.2 asks clients to take it.
    if (!code || (text.size() > 3 && text[3] != ' ' && text[3] != '-')) {
        trouble_ = "not a reply: \"" + base::printable(text, 80) + '"';
        return false;
    }
    const int value = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    if (count_ > 0 && value != partial_.code) {
        trouble_ = "one reply with two codes: " + std::to_string(partial_.code) + " and " + std::to_string(value);
        return false;
    }
    if (++count_ > kMaxReplyLines) {
        trouble_ = "a reply of more than " + std::to_string(kMaxReplyLines) + " lines";
        return false;
    }
    partial_.code = value;
    const auto rest = text.substr(std::min<std::size_t>(4, text.size()));
    if (partial_.status.empty()) partial_.status = enhanced_code(rest);
    if (kept_ + rest.size() <= kMaxReplyKept) {
        partial_.lines.push_back(base::printable(rest, kMaxReplyLine));
        kept_ += rest.size();
    }
    return text.size() == 3 || text[3] == ' ';
}

std::optional<RemoteReply> ReplyParser::next() {
    while (!broken()) {
        const auto end = buffer_.find('\n', std::max(at_, searched_));
        const bool complete = end != std::string::npos;
        if ((complete ? end : buffer_.size()) - at_ > kMaxReplyLine) {
            trouble_ = "a reply line of more than " + std::to_string(kMaxReplyLine) + " octets";
            break;
        }
        if (!complete) {
            buffer_.erase(0, at_);
            at_ = 0;
            searched_ = buffer_.size();
            return std::nullopt;
        }
        auto text = std::string_view(buffer_).substr(at_, end - at_);
        if (text.ends_with('\r')) text.remove_suffix(1);
        at_ = end + 1;
        if (!line(text)) continue;
        auto reply = std::move(partial_);
        partial_ = {};
        kept_ = count_ = 0;
        return reply;
    }
    return std::nullopt;
}

std::string status_of(const RemoteReply& reply, bool at_rcpt) {
    const auto first = static_cast<char>('0' + reply.code / 100);
    if (!reply.status.empty()) return first + reply.status.substr(1);  // RFC 2034 §4: the classes must agree
    for (const auto& meaning : kMeanings) {
        if (meaning.code == reply.code)
            return std::string{first, '.'}.append(at_rcpt ? meaning.at_rcpt : meaning.elsewhere);
    }
    // RFC 3463 §3.1: undefined.
    return std::string{first} + ".0.0";
}

}  // namespace posthorn::smtp
