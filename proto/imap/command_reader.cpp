#include "proto/imap/command_reader.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "proto/imap/limits.hpp"

namespace posthorn::imap {

std::size_t CommandReader::feed(std::string_view bytes) {
    std::size_t taken = 0;
    while (state_ == State::reading && taken < bytes.size()) {
        const auto rest = bytes.substr(taken);
        if (left_ > 0) {
            const auto piece =
                rest.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size())));
            if (!overflow_) text_ += piece;
            left_ -= piece.size();
            taken += piece.size();
            if (left_ == 0) line_ = text_.size();
            continue;
        }
        const auto end = rest.find('\n');
        auto piece = rest.substr(0, end == std::string_view::npos ? end : end + 1);
        taken += piece.size();
        if (!overflow_ && text_.size() + piece.size() > Limits::command) {
            text_ += piece.substr(0, Limits::tag);
            overflow_ = true;
        }
        (overflow_ ? tail_ : text_) += piece;
        if (tail_.size() > Limits::tag) tail_.erase(0, tail_.size() - Limits::tag);
        if (end != std::string_view::npos) line_ended();
    }
    return taken;
}

// RFC 9051 §2.2.1 wants CRLF; a bare LF ends a line as well, as nothing else could be meant by it.
void CommandReader::line_ended() {
    auto& text = overflow_ ? tail_ : text_;
    const auto begin = overflow_ ? 0 : line_;
    text.pop_back();
    if (text.size() > begin && text.back() == '\r') text.pop_back();
    const bool marked = find_mark(std::string_view(text).substr(begin));
    if (overflow_) {
        tail_.clear();
        state_ = State::too_long;
        if (marked) refuse_literal();
    } else if (marked) {
        mark_at_ += line_;
        text_ += "\r\n";
        state_ = State::literal;
    } else {
        state_ = State::complete;
    }
}

bool CommandReader::find_mark(std::string_view line) {
    if (!line.ends_with('}')) return false;
    std::size_t at = line.size() - 1;
    const bool waits = at == 0 || line[at - 1] != '+';
    if (!waits) --at;
    const auto digits_end = at;
    while (at > 0 && base::is_digit(line[at - 1])) --at;
    const auto digits = line.substr(at, digits_end - at);
    if (digits.empty() || at == 0 || line[at - 1] != '{') return false;
    --at;
    std::uint64_t size = 0;
    for (const char c : digits.substr(0, 18)) size = size * 10 + static_cast<std::uint64_t>(c - '0');
    if (digits.size() > 18) size = INT64_MAX;
    mark_ = {.size = size, .waits = waits, .binary = at > 0 && line[at - 1] == '~'};
    mark_at_ = at - (mark_.binary ? 1 : 0);
    return true;
}

bool CommandReader::take_literal() {
    if (mark_.size > Limits::command || text_.size() + mark_.size > Limits::command) return false;
    left_ = mark_.size;
    line_ = text_.size();
    state_ = State::reading;
    return true;
}

void CommandReader::hand_over() {
    text_.clear();
    line_ = 0;
    state_ = State::reading;
}

void CommandReader::refuse_literal() {
    if (mark_.waits) {
        state_ = State::too_long;
        return;
    }
    overflow_ = true;
    left_ = mark_.size;
    state_ = State::reading;
}

void CommandReader::skip(std::uint64_t left) {
    overflow_ = true;
    left_ = left;
}

void CommandReader::wipe() {
    volatile char* at = text_.data();
    for (std::size_t i = 0; i < text_.size(); ++i) at[i] = '\0';
    text_.clear();
}

void CommandReader::reset() {
    if (text_.capacity() > 4096) {
        text_ = {};
    } else {
        text_.clear();
    }
    tail_.clear();
    line_ = 0;
    left_ = 0;
    overflow_ = false;
    state_ = State::reading;
}

}  // namespace posthorn::imap
