#include "ctl/message_text.hpp"

#include "base/utf8.hpp"

namespace posthorn::ctl {
namespace {

using control::Bytes;

constexpr std::size_t kMaxLine = 8192;  // longer ones are shown in pieces

std::string shown(std::string_view line) {
    std::string out;
    while (true) {
        const auto tab = line.find('\t');
        out += base::printable(line.substr(0, tab), kMaxLine);
        if (tab == std::string_view::npos) return out;
        out += '\t';
        line.remove_prefix(tab + 1);
    }
}

}  // namespace

std::string MessageShow::part(const control::Value::List& items) {
    std::string out;
    for (const auto& item : items) {
        const auto* bytes = item.as<Bytes>();
        if (bytes == nullptr) {
            out += show(item) + "\n";
            continue;
        }
        for (const char c : bytes->octets) {
            if (c == '\n' || line_.size() == kMaxLine) {
                if (line_.ends_with('\r')) line_.pop_back();
                out += shown(line_) + "\n";
                line_.clear();
            }
            if (c != '\n') line_ += c;
        }
    }
    return out;
}

std::string MessageShow::end(const control::Value&) const { return line_.empty() ? "" : shown(line_) + "\n"; }

std::string MessageJson::part(const control::Value::List& items) {
    for (const auto& item : items) {
        if (const auto* bytes = item.as<Bytes>())
            text_ += bytes->octets;
        else
            message_ = item;
    }
    return {};
}

std::string MessageJson::end(const control::Value&) const {
    auto whole = message_;
    whole.set(name_, text_);
    return control::to_json(whole, true) + "\n";
}

std::string RawShow::part(const control::Value::List& items) {
    std::string out;
    for (const auto& item : items) {
        if (const auto* bytes = item.as<Bytes>()) out += bytes->octets;
    }
    return out;
}

}  // namespace posthorn::ctl
