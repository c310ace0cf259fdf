// What a table of keys can be turned into: the commented reference file, and a flat list to compare by.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/config/table.hpp"

namespace posthorn::base::config {

// The whole configuration as a TOML file in which every key stands with its text, type and value; what is not set
// or only possible stands as a comment. Parses back to the same values.
class ReferenceWriter final : public Writer {
public:
    void key(const std::string& path, const KeyInfo& key, const std::string& value) override;
    void open(const std::string& path, SectionKind kind, std::string_view text) override;
    void examples(const std::string& path, SectionKind kind, std::string_view text) override;
    void resume() override { commented_ = false; }
    void inherits(std::string_view other) override;
    std::string take() { return std::move(out_); }

private:
    void header(const std::string& path, SectionKind kind, std::string_view text);
    void comment(std::string_view text);

    std::string out_;
    bool commented_ = false;
};

template <class T>
std::string reference(const Table<T>& table, const T& values) {
    ReferenceWriter writer;
    table.write(values, writer);
    return writer.take();
}

// One key that is set. Array entries are named by their number in `path` (listener[0].address), in `section` they are not.
struct FlatEntry {
    std::string path;
    std::string section;  // "[delivery.rate_limit]", "[[listener]]"
    std::string key;
    std::string value;  // as TOML
    Applies applies = Applies::at_start;
};

// Every key that is set, in the table's order. Of an entry that may override a section what differs from that.
template <class T>
std::vector<FlatEntry> entries(const Table<T>& table, const T& values);

// path -> value as TOML.
template <class T>
std::map<std::string, std::string> flat(const Table<T>& table, const T& values);

// The paths whose values differ, sorted.
std::vector<std::string> difference(const std::map<std::string, std::string>& a,
                                    const std::map<std::string, std::string>& b);

class FlatWriter final : public Writer {
public:
    void key(const std::string& path, const KeyInfo& key, const std::string& value) override;
    void open(const std::string& path, SectionKind kind, std::string_view text) override;
    void examples(const std::string&, SectionKind, std::string_view) override { muted_ = true; }
    void resume() override { muted_ = false; }
    void inherits(std::string_view other) override;
    bool borrowed() const override { return true; }
    std::vector<FlatEntry> take();

private:
    std::string numbered(const std::string& path) const;

    bool muted_ = false;
    std::string section_, header_;                                // last opened
    std::map<std::string, std::size_t> counts_;                   // of array entries, by path
    std::vector<std::pair<std::string, std::string>> overrides_;  // of which section an entry's keys may be
    std::vector<FlatEntry> entries_;
};

template <class T>
std::vector<FlatEntry> entries(const Table<T>& table, const T& values) {
    FlatWriter writer;
    table.write(values, writer);
    return writer.take();
}

template <class T>
std::map<std::string, std::string> flat(const Table<T>& table, const T& values) {
    std::map<std::string, std::string> out;
    for (auto& entry : entries(table, values)) out.emplace(std::move(entry.path), std::move(entry.value));
    return out;
}

}  // namespace posthorn::base::config
