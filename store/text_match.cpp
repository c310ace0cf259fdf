#include "store/text_match.hpp"

#include <string.h>

#include <algorithm>

namespace posthorn::store {

using Where = TextKey::Where;

Needles::Needles(const TextQuery& query) {
    for (const auto& asked : query) {
        Key key{.where = asked.where, .field = mail::search_fold(asked.field), .parts = {}};
        const auto needle = mail::search_fold(asked.needle);
        if (!asked.words) {
            if (!needle.empty()) key.parts.push_back(needle);
        } else {
            for (std::size_t at = 0; at < needle.size();) {
                const auto end = std::min(needle.find(' ', at), needle.size());
                if (end > at) key.parts.push_back(needle.substr(at, end - at));
                at = end + 1;
            }
        }
        for (const auto& part : key.parts) longest_ = std::max(longest_, part.size());
        keys_.push_back(std::move(key));
    }
}

bool holds(std::string_view text, std::string_view part) {
    return ::memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

bool header_matches(const Needles::Key& key, std::string_view header) {
    while (!header.empty()) {
        header.remove_prefix(1);  // '\n'
        const auto line = header.substr(0, header.find('\n'));
        header.remove_prefix(line.size());
        if (!line.starts_with(key.field) || !line.substr(key.field.size()).starts_with(": ")) continue;
        const auto value = line.substr(key.field.size() + 2);
        if (std::ranges::all_of(key.parts, [&](const auto& part) { return holds(value, part); })) return true;
    }
    return false;
}

TextMatcher::TextMatcher(const Needles& needles) : needles_(needles), fields_(needles.keys().size()) {
    for (const auto& key : needles.keys()) found_.emplace_back(key.parts.size());
}

void TextMatcher::field(std::string_view name, std::string_view value) {
    const auto line = '\n' + std::string(name) + ": " + std::string(value);
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        const auto& key = needles_.keys()[i];
        if (key.where == Where::field && !fields_[i]) fields_[i] = header_matches(key, line);
    }
    look(line, false);
}

void TextMatcher::text(std::string_view piece) {
    window_ += piece;
    look(window_, true);
    if (window_.size() >= needles_.longest()) window_.erase(0, window_.size() - needles_.longest());
}

void TextMatcher::look(std::string_view text, bool body) {
    for (std::size_t i = 0; i < found_.size(); ++i) {
        const auto& key = needles_.keys()[i];
        if (key.where == Where::field || (key.where == Where::body && !body)) continue;
        for (std::size_t part = 0; part < key.parts.size(); ++part) {
            if (!found_[i][part] && holds(text, key.parts[part])) found_[i][part] = true;
        }
    }
}

bool TextMatcher::matches(std::size_t key) const {
    if (needles_.keys()[key].where == Where::field) return fields_[key];
    return std::ranges::all_of(found_[key], [](bool found) { return found; });
}

bool TextMatcher::done() const {
    for (std::size_t key = 0; key < fields_.size(); ++key) {
        if (!matches(key)) return false;
    }
    return true;
}

}  // namespace posthorn::store
