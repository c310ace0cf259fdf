// What a table of keys can be turned into: the commented reference file, and a flat list to compare by.
#pragma once

#include <map>
#include <string>

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

// path -> value as TOML. Array entries are named by their number: listener[0].address.
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
    void inherits(std::string_view) override {}
    std::map<std::string, std::string> values;

private:
    bool muted_ = false;
    std::map<std::string, std::size_t> counts_;  // of array entries, by path
};

template <class T>
std::map<std::string, std::string> flat(const Table<T>& table, const T& values) {
    FlatWriter writer;
    table.write(values, writer);
    return std::move(writer.values);
}

}  // namespace posthorn::base::config
