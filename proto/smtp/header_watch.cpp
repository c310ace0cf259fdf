#include "proto/smtp/header_watch.hpp"

#include <algorithm>
#include <cstring>

#include "base/ascii.hpp"

namespace posthorn::smtp {
namespace {

constexpr std::size_t kMaxPartial = 1024;  // octets of a line that can matter

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// The value when `line` is the field `name` (lower case); RFC 5322 §4.5.8 allows blanks before the colon.
bool is_field(std::string_view line, std::string_view name, std::string_view& value) {
    if (!base::istarts_with(line, name)) return false;
    auto rest = line.substr(name.size());
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
    if (!rest.starts_with(':')) return false;
    value = trim(rest.substr(1));
    return true;
}

}  // namespace

void HeaderWatch::feed(std::string_view bytes) {
    while (!over_ && !bytes.empty()) {
        const auto* const lf = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
        const auto length = lf ? static_cast<std::size_t>(lf - bytes.data()) : bytes.size();
        if (!lf || !partial_.empty()) {
            partial_ += bytes.substr(0, std::min(length, kMaxPartial - partial_.size()));
        }
        if (!lf) return;
        if (partial_.empty()) {
            line(bytes.substr(0, length));
        } else {
            line(partial_);
            partial_.clear();
        }
        bytes.remove_prefix(length + 1);
    }
}

void HeaderWatch::line(std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) {
        over_ = true;
        partial_.shrink_to_fit();
        return;
    }
    std::string_view value;
    switch (text.front()) {
        case ' ':
        case '\t':
            if (in_message_id_ && message_id_.empty()) message_id_ = trim(text).substr(0, kMaxMessageId);
            return;
        case 'r':
        case 'R':
            if (is_field(text, "received", value)) ++received_;
            break;
        case 'd':
        case 'D':
            if (is_field(text, "date", value)) has_date_ = true;
            break;
        case 'm':
        case 'M':
            if (message_id_.empty() && is_field(text, "message-id", value)) {
                message_id_ = value.substr(0, kMaxMessageId);
                in_message_id_ = has_message_id_ = true;
                return;
            }
            break;
        default: break;
    }
    in_message_id_ = false;
}

}  // namespace posthorn::smtp
