#include "mail/mime/parser.hpp"

#include <algorithm>

#include "base/ascii.hpp"

namespace posthorn::mail {
namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// RFC 5322 §3.6.8
bool is_field_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) { return base::is_print(c) && c != ' '; });
}

}  // namespace

MimeParser::MimeParser(Sink& sink, MimeLimits limits) : sink_(sink), limits_(limits) { begin_part(kNoParent); }

void MimeParser::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        switch (mode_) {
            case Mode::header: bytes = feed_header(bytes); break;
            case Mode::line_start: bytes = feed_line_start(bytes); break;
            case Mode::text: bytes = feed_text(bytes); break;
            case Mode::boundary_rest: bytes = feed_boundary_rest(bytes); break;
        }
    }
}

void MimeParser::finish() {
    if (mode_ == Mode::header && !line_.empty()) header_line(0);
    if (mode_ == Mode::line_start && !start_.empty()) decide_line();
    if (mode_ == Mode::boundary_rest) after_boundary();
    while (mode_ == Mode::header) end_header();
    if (!start_.empty()) {
        emit(pending_);
        pending_.clear();
        emit(start_);
    } else {
        emit(pending_);
    }
    while (!open_.empty()) close_down_to(open_.size() - 1, offset_, lines_, !bounded());
}

// ---- headers

std::string_view MimeParser::feed_header(std::string_view bytes) {
    if (line_.empty() && !long_line_) line_begin_ = offset_;
    const auto lf = bytes.find('\n');
    const auto piece = bytes.substr(0, lf);
    const auto room = limits_.field - std::min(limits_.field, line_.size());
    long_line_ |= piece.size() > room;
    line_ += piece.substr(0, room);
    if (lf == std::string_view::npos) {
        offset_ += bytes.size();
        return {};
    }
    offset_ += lf + 1;
    ++lines_;
    ++header_lines_;
    if (line_.ends_with('\r')) line_.pop_back();
    header_line(1);
    line_.clear();
    long_line_ = false;
    return bytes.substr(lf + 1);
}

// `line_ends`: 1, or 0 when the message ends in this line.
void MimeParser::header_line(std::uint64_t line_ends) {
    Match match;
    if (bounded() && line_.starts_with("--") && matches(line_, match)) return header_cut_short(match, line_ends);
    if (line_.empty() && !long_line_) return end_header();
    std::erase_if(line_, [](char c) { return c == '\r' || c == '\0'; });
    cut_ |= long_line_;
    if (!line_.empty() && (line_.front() == ' ' || line_.front() == '\t')) {  // RFC 5322 §2.2.3
        if (field_.empty()) return;
        const auto room = limits_.field - std::min(limits_.field, field_.size());
        cut_ |= line_.size() > room;
        field_ += std::string_view(line_).substr(0, room);
        return;
    }
    flush_field();
    field_ = line_;
}

// A header without its empty line before a boundary: the part has no body.
void MimeParser::header_cut_short(Match match, std::uint64_t line_ends) {
    const auto size = offset_;
    const auto lines = lines_;
    offset_ = line_begin_;
    lines_ -= line_ends;
    header_lines_ -= line_ends;
    do end_header();
    while (mode_ == Mode::header);
    at_boundary(match, offset_, lines_);
    offset_ = size;
    lines_ = lines;
    if (mode_ == Mode::boundary_rest && line_ends != 0) after_boundary();
}

void MimeParser::flush_field() {
    const std::string_view field = field_;
    if (const auto colon = field.find(':'); colon != std::string_view::npos) {
        const auto name = trimmed(field.substr(0, colon));  // RFC 5322 §4.5: spaces before the colon
        if (is_field_name(name)) sink_.field(name, trimmed(field.substr(colon + 1)));
    }
    field_.clear();
}

void MimeParser::end_header() {
    flush_field();
    const bool may_nest = open_.size() < limits_.depth && parts_ < limits_.parts;
    auto nature = sink_.header_ends(offset_, header_lines_, may_nest);
    auto& part = open_.back();
    part.body_lines = lines_;
    if (nature.kind != Nature::Kind::leaf && !may_nest) {
        cut_ = true;
        nature.kind = Nature::Kind::leaf;
    }
    part.kind = nature.kind;
    if (nature.kind == Nature::Kind::message) return begin_part(part.index);
    if (nature.kind == Nature::Kind::multipart && !nature.boundary.empty()) {
        part.boundary = nature.boundary.substr(0, MimeLimits::boundary);
        ++boundaries_;
    }
    to_body();
}

void MimeParser::begin_part(std::uint32_t parent) {
    open_.push_back({.index = parts_++});
    header_lines_ = 0;
    field_.clear();
    mode_ = Mode::header;
    sink_.part_begins(open_.back().index, parent, offset_);
}

// ---- bodies

void MimeParser::to_body() {
    pending_.clear();
    start_.clear();
    mode_ = Mode::line_start;
}

// What a line begins with, until it is known whether it is a boundary.
std::string_view MimeParser::feed_line_start(std::string_view bytes) {
    if (start_.empty()) line_begin_ = offset_;
    if (!bounded()) {
        mode_ = Mode::text;
        return bytes;
    }
    constexpr auto enough = MimeLimits::boundary + 4;  // "--", boundary, "--"
    while (!bytes.empty()) {
        const char c = bytes.front();
        if (start_.size() < 2 && c != '-') break;
        if (c == '\n' || start_.size() == enough) {
            if (decide_line()) return bytes;
            break;
        }
        start_ += c;
        ++offset_;
        bytes.remove_prefix(1);
    }
    if (bytes.empty()) return bytes;
    emit(pending_);
    pending_.clear();
    auto text = std::move(start_);
    start_.clear();
    mode_ = Mode::text;
    if (text.ends_with('\r')) {
        text.pop_back();
        pending_ = "\r";
    }
    emit(text);
    return bytes;
}

// True: start_ is a boundary, and the mode has changed.
bool MimeParser::decide_line() {
    Match match;
    if (!matches(start_, match)) return false;
    const auto newline = pending_.ends_with('\n') ? 1U : 0U;
    const auto line_end = static_cast<std::uint64_t>(pending_.size());
    start_.clear();
    pending_.clear();
    at_boundary(match, line_begin_ - line_end, lines_ - newline);
    return mode_ == Mode::boundary_rest;
}

std::string_view MimeParser::feed_text(std::string_view bytes) {
    if (!pending_.empty()) {  // a CR at the end of the last piece
        if (bytes.front() == '\n') {
            pending_ += '\n';
            ++offset_;
            ++lines_;
            mode_ = Mode::line_start;
            return bytes.substr(1);
        }
        emit(pending_);
        pending_.clear();
    }
    std::size_t from = 0;
    while (true) {
        const auto lf = bytes.find('\n', from);
        if (lf == std::string_view::npos) break;
        ++lines_;
        from = lf + 1;
        if (!bounded()) continue;
        const auto next = bytes.substr(from, 2);
        if (!std::string_view("--").starts_with(next)) continue;
        const auto end = lf > 0 && bytes[lf - 1] == '\r' ? lf - 1 : lf;
        emit(bytes.substr(0, end));
        pending_ = bytes.substr(end, from - end);
        offset_ += from;
        mode_ = Mode::line_start;
        return bytes.substr(from);
    }
    offset_ += bytes.size();
    if (bytes.ends_with('\r')) {
        pending_ = "\r";
        bytes.remove_suffix(1);
    }
    emit(bytes);
    return {};
}

std::string_view MimeParser::feed_boundary_rest(std::string_view bytes) {
    const auto lf = bytes.find('\n');
    if (lf == std::string_view::npos) {
        offset_ += bytes.size();
        return {};
    }
    offset_ += lf + 1;
    ++lines_;
    after_boundary();
    return bytes.substr(lf + 1);
}

void MimeParser::after_boundary() {
    if (match_.last) return to_body();
    begin_part(open_.back().index);
}

void MimeParser::emit(std::string_view bytes) {
    if (!bytes.empty() && open_.back().kind == Nature::Kind::leaf) sink_.body(bytes);
}

// ---- boundaries

// RFC 2046 §5.1.1: the boundary stands at the beginning of the line; what follows it does not matter. Where the
// boundary of one multipart begins with another's, the longer one is meant.
bool MimeParser::matches(std::string_view line, Match& match) const {
    line.remove_prefix(std::min<std::size_t>(2, line.size()));
    std::size_t longest = 0;
    for (std::size_t level = open_.size(); level-- > 0;) {
        const std::string_view boundary = open_[level].boundary;
        if (boundary.size() <= longest || !line.starts_with(boundary)) continue;
        longest = boundary.size();
        match = {.level = level, .last = line.substr(boundary.size()).starts_with("--")};
    }
    return longest != 0;
}

// The parts inside end where the line end before the boundary begins.
void MimeParser::at_boundary(Match match, std::uint64_t line_begins, std::uint64_t lines_before) {
    if (!match.last && parts_ >= limits_.parts) {  // the rest belongs to the part at hand
        cut_ = true;
        for (auto& part : open_) part.boundary.clear();
        boundaries_ = 0;
        mode_ = Mode::text;
        return;
    }
    close_down_to(match.level + 1, line_begins, lines_before, true);
    if (match.last) {
        open_[match.level].boundary.clear();
        --boundaries_;
    }
    match_ = match;
    mode_ = Mode::boundary_rest;
}

void MimeParser::close_down_to(std::size_t level, std::uint64_t end, std::uint64_t lines, bool ended) {
    while (open_.size() > level) {
        const auto& part = open_.back();
        const bool open_boundary = !part.boundary.empty();
        if (open_boundary) --boundaries_;
        sink_.part_ends(part.index, end, lines - part.body_lines, ended && !open_boundary);
        open_.pop_back();
    }
}

}  // namespace posthorn::mail
