#include "base/config/reference.hpp"

namespace posthorn::base::config {
namespace {

constexpr std::size_t kWidth = 100;

std::string_view last_name(std::string_view path) {
    if (path.ends_with('"')) return path.substr(path.rfind('"', path.size() - 2));
    const auto dot = path.rfind('.');
    return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

}  // namespace

// Wraps at spaces; a word is never broken.
void ReferenceWriter::comment(std::string_view text) {
    while (!text.empty()) {
        auto size = text.size();
        if (size > kWidth) {
            size = text.rfind(' ', kWidth);
            if (size == std::string_view::npos || size == 0) size = std::min(text.find(' '), text.size());
        }
        out_ += "# ";
        out_ += text.substr(0, size);
        out_ += '\n';
        text.remove_prefix(std::min(size + 1, text.size()));
    }
}

void ReferenceWriter::key(const std::string& path, const KeyInfo& key, const std::string& value) {
    out_ += '\n';
    comment(key.text + " Takes " + key.type + "." +
            (key.applies == Applies::at_start ? " A change waits for a restart." : ""));
    if (commented_ || value.empty()) out_ += "#";
    out_ += last_name(path);
    out_ += " = ";
    out_ += value.empty() ? "" : value;
    while (out_.ends_with(' ')) out_.pop_back();
    out_ += '\n';
}

void ReferenceWriter::header(const std::string& path, SectionKind kind, std::string_view text) {
    if (!out_.empty()) out_ += "\n\n";
    comment(text);
    if (commented_) out_ += '#';
    out_ += kind == SectionKind::array_entry ? "[[" + path + "]]\n" : "[" + path + "]\n";
}

void ReferenceWriter::open(const std::string& path, SectionKind kind, std::string_view text) {
    header(path, kind, text);
}

void ReferenceWriter::examples(const std::string& path, SectionKind kind, std::string_view text) {
    commented_ = true;
    header(path, kind, text);
}

void ReferenceWriter::inherits(std::string_view other) {
    out_ += '\n';
    comment("Any key of [" + std::string(other) + "] may stand here, too, and then holds for this entry alone.");
}

// An array's entries share one path: the entry last opened is meant.
std::string FlatWriter::numbered(const std::string& path) const {
    for (const auto& [array, count] : counts_) {
        if (path == array || path.starts_with(array + "."))
            return array + "[" + std::to_string(count - 1) + "]" + path.substr(array.size());
    }
    return path;
}

void FlatWriter::key(const std::string& path, const KeyInfo& key, const std::string& value) {
    if (!muted_ && !value.empty()) entries_.push_back({numbered(path), header_, key.name, value, key.applies});
}

void FlatWriter::open(const std::string& path, SectionKind kind, std::string_view) {
    if (muted_) return;
    if (kind == SectionKind::array_entry) ++counts_[path];
    section_ = path;
    header_ = kind == SectionKind::array_entry ? "[[" + path + "]]" : "[" + path + "]";
}

void FlatWriter::inherits(std::string_view other) {
    if (!muted_) overrides_.emplace_back(numbered(section_) + ".", std::string(other) + ".");
}

std::vector<FlatEntry> FlatWriter::take() {
    std::map<std::string_view, std::string_view> values;
    for (const auto& entry : entries_) values.emplace(entry.path, entry.value);
    const auto same = [&](const FlatEntry& entry) {
        for (const auto& [own, other] : overrides_) {
            if (!entry.path.starts_with(own)) continue;
            const auto found = values.find(other + entry.path.substr(own.size()));
            if (found != values.end() && found->second == entry.value) return true;
        }
        return false;
    };
    std::vector<FlatEntry> out;
    for (const auto& entry : entries_) {
        if (!same(entry)) out.push_back(entry);
    }
    return out;
}

std::vector<std::string> difference(const std::map<std::string, std::string>& a,
                                    const std::map<std::string, std::string>& b) {
    std::vector<std::string> out;
    auto left = a.begin();
    auto right = b.begin();
    while (left != a.end() || right != b.end()) {
        if (right == b.end() || (left != a.end() && left->first < right->first)) {
            out.push_back((left++)->first);
        } else if (left == a.end() || right->first < left->first) {
            out.push_back((right++)->first);
        } else {
            if (left->second != right->second) out.push_back(left->first);
            ++left;
            ++right;
        }
    }
    return out;
}

}  // namespace posthorn::base::config
