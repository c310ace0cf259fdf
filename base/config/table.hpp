// A table of configuration keys: ONE place per key for its name, type, limits and one-line description; its default
// is what the struct's member is initialised with. A folder describes its config struct once,
//
//   config::Table<SmtpConfig> smtp_table() {
//       return config::Table<SmtpConfig>("receiving mail by SMTP")
//           .key("max_message_size", &SmtpConfig::max_message_size, config::size<std::uint64_t>({1024}),
//                "Largest message taken.")
//           .section("timeouts", &SmtpConfig::timeouts, timeouts_table());
//   }
//
// and server/ puts the tables together, reads a file through them (read), writes the commented reference and
// compares two configurations (write with a Writer). Start-up and reload only; not thread-safe while it is built.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/config/codec.hpp"
#include "base/config/value.hpp"

namespace posthorn::base::config {

using Paths = std::vector<std::string>;  // of every key there is, dotted

// When a changed key holds.
enum class Applies : std::uint8_t { at_start, at_reload };

struct KeyInfo {
    std::string name;
    std::string type;  // in words
    std::string text;  // one line: what it does; its unit where the type does not say it
    Applies applies = Applies::at_start;
};

// Told what a table and a config struct of it hold, in the table's order: plain keys first, then sections.
class Writer {
public:
    virtual ~Writer() = default;
    // `value` is TOML; empty: not set.
    virtual void key(const std::string& path, const KeyInfo& key, const std::string& value) = 0;
    enum class SectionKind { table, array_entry };
    virtual void open(const std::string& path, SectionKind kind, std::string_view text) = 0;
    virtual void close() {}
    // From here to resume() keys are only possible ones: what an entry of a map or of another table would hold.
    virtual void examples(const std::string& path, SectionKind kind, std::string_view text) = 0;
    virtual void resume() = 0;
    // The section takes any key of the other one, too.
    virtual void inherits(std::string_view other) = 0;
    // Whether it wants to hear of the keys, too, that are another section's.
    virtual bool borrowed() const { return false; }
};

// Where complaints of a cross-key check go: the place of the named key if the file has it, else of its section.
class Report {
public:
    Report(Problems& problems, const Value& section, std::string path)
        : problems_(problems), section_(section), path_(std::move(path)) {}
    void operator()(std::string_view key, std::string_view complaint) const;

private:
    Problems& problems_;
    const Value& section_;
    std::string path_;
};

namespace detail {
// What `access` shows of a const struct; it is only looked at.
template <class A, class T>
const auto& get(const A& access, const T& from) {
    return std::invoke(access, const_cast<T&>(from));
}

const Member* find(const Value& section, std::string_view name);
bool want_table(const Member& member, const std::string& path, Problems& problems);
// Complains about every member that `known` does not name, once for each.
void check_names(const Value& section, const std::string& path, const std::vector<std::string>& known,
                 const std::vector<std::string>& all_paths, Problems& problems);
}  // namespace detail

template <class T>
class Table {
public:
    // `applies`: the keys, but for those that say otherwise.
    explicit Table(std::string text, Applies applies = Applies::at_start)
        : text_(std::move(text)), applies_(applies) {}

    // `access` is a member pointer, or a function T& -> M& for a member of a member.
    template <class A, class M>
    Table&& key(std::string name, A access, Codec<M> codec, std::string text,
                std::optional<Applies> applies = std::nullopt) &&;
    // A nested table: [outer.name].
    template <class A, class M>
    Table&& section(std::string name, A access, Table<M> table) &&;
    // A table for each name: [outer.name."key"]; the name is kept in the entry's member `key`.
    template <class A, class M>
    Table&& entries(std::string name, A access, std::string M::* key, Table<M> table, std::string example_key) &&;
    // An array of tables: [[outer.name]]; what the file gives replaces the default entries. An entry starts as
    // `initial(whole)`, where `whole` holds what was read before: keep what it needs above it in the table.
    template <class A, class M>
    Table&& tables(std::string name, A access, Table<M> table,
                   std::type_identity_t<std::function<M(const T&)>> initial = {}) &&;
    // The keys of `table` as if they were this table's own: for entries that may override a section `like`.
    template <class A, class M>
    Table&& overrides(A access, Table<M> table, std::string like) && {
        merge(access, table, true);
        inherits_.push_back(std::move(like));
        return std::move(*this);
    }
    // The keys of `table` in this table, described here: for a section that several structs share.
    template <class A, class M>
    Table&& include(A access, Table<M> table) && {
        merge(access, table, false);
        return std::move(*this);
    }
    // A check that sees several keys; runs after the section was read, whatever else was wrong.
    Table&& check(std::function<void(const T&, const Report&)> fn) && {
        checks_.push_back(std::move(fn));
        return std::move(*this);
    }

    const std::string& text() const { return text_; }

    // Reads `section` (a table) into `into`, which holds the defaults. All problems are told, not the first alone.
    void read(const Value& section, T& into, Problems& problems) const {
        std::vector<std::string> all;
        paths("", all);
        read_at(section, "", into, all, problems);
    }
    void write(const T& from, Writer& writer) const { write_at(from, "", writer); }

    // For other tables, not for callers.
    void read_at(const Value& section, const std::string& path, T& into, const std::vector<std::string>& all_paths,
                 Problems& problems) const;
    void write_at(const T& from, const std::string& path, Writer& writer) const;
    void paths(const std::string& path, std::vector<std::string>& out) const;
    void names(std::vector<std::string>& out) const;

private:
    template <class>
    friend class Table;

    template <class A, class M>
    void merge(A access, const Table<M>& table, bool borrowed);

    using Read =
        std::function<void(const Member&, const std::string& path, T&, const std::vector<std::string>&, Problems&)>;
    struct Entry {
        KeyInfo info;
        bool section = false;   // written after the plain keys
        bool borrowed = false;  // of an overridden section: read here, described there
        Read read;
        std::function<void(const T&, const std::string& path, Writer&)> write;
        std::function<void(const std::string& path, std::vector<std::string>&)> paths;
    };

    std::string text_;
    Applies applies_;
    std::vector<Entry> entries_;
    std::vector<std::function<void(const T&, const Report&)>> checks_;
    std::vector<std::string> inherits_;
};

// ---- the templates ------------------------------------------------------------------------------------------

template <class T>
template <class A, class M>
Table<T>&& Table<T>::key(std::string name, A access, Codec<M> codec, std::string text,
                         std::optional<Applies> applies) && {
    KeyInfo info{std::move(name), codec.type, std::move(text), applies.value_or(applies_)};
    Entry entry;
    entry.read = [=](const Member& given, const std::string& path, T& into, const Paths&, Problems& problems) {
        if (auto complaint = codec.read(given.value, std::invoke(access, into)))
            problems.add(given.value.place, fmt::format("{} {}", path, *complaint));
    };
    entry.write = [=](const T& from, const std::string& path, Writer& writer) {
        writer.key(path, info, codec.print(detail::get(access, from)));
    };
    entry.paths = [](const std::string& path, std::vector<std::string>& out) { out.push_back(path); };
    entry.info = std::move(info);
    entries_.push_back(std::move(entry));
    return std::move(*this);
}

template <class T>
template <class A, class M>
Table<T>&& Table<T>::section(std::string name, A access, Table<M> table) && {
    Entry entry;
    entry.info = {std::move(name), "a table", table.text()};
    entry.section = true;
    entry.read = [=](const Member& given, const std::string& path, T& into, const Paths& all, Problems& problems) {
        if (detail::want_table(given, path, problems))
            table.read_at(given.value, path, std::invoke(access, into), all, problems);
    };
    entry.write = [=](const T& from, const std::string& path, Writer& writer) {
        writer.open(path, Writer::SectionKind::table, table.text());
        table.write_at(detail::get(access, from), path, writer);
        writer.close();
    };
    entry.paths = [=](const std::string& path, std::vector<std::string>& out) { table.paths(path, out); };
    entries_.push_back(std::move(entry));
    return std::move(*this);
}

template <class T>
template <class A, class M>
Table<T>&& Table<T>::entries(std::string name, A access, std::string M::* key, Table<M> table,
                             std::string example_key) && {
    Entry entry;
    entry.info = {std::move(name), "a table of tables", table.text()};
    entry.section = true;
    entry.read = [=](const Member& given, const std::string& path, T& into, const Paths& all, Problems& problems) {
        if (!detail::want_table(given, path, problems)) return;
        for (const Member& one : *given.value.members()) {
            const auto one_path = dotted(path, one.name);
            if (!detail::want_table(one, one_path, problems)) continue;
            M value{};
            value.*key = one.name;
            table.read_at(one.value, one_path, value, all, problems);
            std::invoke(access, into).push_back(std::move(value));
        }
    };
    entry.write = [=](const T& from, const std::string& path, Writer& writer) {
        for (const M& value : detail::get(access, from)) {
            const auto one_path = dotted(path, value.*key);
            writer.open(one_path, Writer::SectionKind::table, table.text());
            table.write_at(value, one_path, writer);
            writer.close();
        }
        if (!detail::get(access, from).empty()) return;
        const auto example_path = dotted(path, example_key);
        writer.examples(example_path, Writer::SectionKind::table, table.text());
        table.write_at(M{}, example_path, writer);
        writer.resume();
    };
    entry.paths = [](const std::string&, std::vector<std::string>&) {};
    entries_.push_back(std::move(entry));
    return std::move(*this);
}

template <class T>
template <class A, class M>
Table<T>&& Table<T>::tables(std::string name, A access, Table<M> table,
                            std::type_identity_t<std::function<M(const T&)>> initial) && {
    Entry entry;
    entry.info = {std::move(name), "an array of tables", table.text()};
    entry.section = true;
    entry.read = [=](const Member& given, const std::string& path, T& into, const Paths& all, Problems& problems) {
        const auto* list = given.value.as<std::vector<Value>>();
        if (list == nullptr) {
            problems.add(given.place, fmt::format("{} wants an array of tables: write [[{}]]", path, path));
            return;
        }
        std::invoke(access, into).clear();
        for (const Value& one : *list) {
            if (one.members() == nullptr) {
                problems.add(one.place, fmt::format("{} {}", path, wrong_kind("tables only", one)));
                continue;
            }
            M value = initial ? initial(into) : M{};
            table.read_at(one, path, value, all, problems);
            std::invoke(access, into).push_back(std::move(value));
        }
    };
    entry.write = [=](const T& from, const std::string& path, Writer& writer) {
        for (const M& one : detail::get(access, from)) {
            writer.open(path, Writer::SectionKind::array_entry, table.text());
            table.write_at(one, path, writer);
            writer.close();
        }
        if (!detail::get(access, from).empty()) return;
        writer.examples(path, Writer::SectionKind::array_entry, table.text());
        table.write_at(M{}, path, writer);
        writer.resume();
    };
    entry.paths = [=](const std::string& path, std::vector<std::string>& out) { table.paths(path, out); };
    entries_.push_back(std::move(entry));
    return std::move(*this);
}

template <class T>
template <class A, class M>
void Table<T>::merge(A access, const Table<M>& table, bool borrowed) {
    for (const auto& theirs : table.entries_) {
        Entry entry;
        entry.info = theirs.info;
        entry.section = theirs.section;
        entry.borrowed = borrowed;
        entry.read = [=, read = theirs.read](const Member& given, const std::string& path, T& into,
                                             const Paths& all, Problems& problems) {
            read(given, path, std::invoke(access, into), all, problems);
        };
        entry.write = [=, write = theirs.write](const T& from, const std::string& path, Writer& writer) {
            write(detail::get(access, from), path, writer);
        };
        entry.paths = theirs.paths;
        entries_.push_back(std::move(entry));
    }
    for (const auto& check : table.checks_)
        checks_.push_back([=](const T& whole, const Report& report) { check(detail::get(access, whole), report); });
}

template <class T>
void Table<T>::read_at(const Value& section, const std::string& path, T& into,
                       const std::vector<std::string>& all_paths, Problems& problems) const {
    std::vector<std::string> known;
    names(known);
    detail::check_names(section, path, known, all_paths, problems);
    for (const auto& entry : entries_) {
        const Member* given = detail::find(section, entry.info.name);
        if (given != nullptr) entry.read(*given, dotted(path, entry.info.name), into, all_paths, problems);
    }
    const Report report(problems, section, path);
    for (const auto& check : checks_) check(into, report);
}

template <class T>
void Table<T>::write_at(const T& from, const std::string& path, Writer& writer) const {
    for (const bool sections : {false, true}) {
        for (const auto& entry : entries_) {
            if (entry.section == sections && (!entry.borrowed || writer.borrowed()))
                entry.write(from, dotted(path, entry.info.name), writer);
        }
        if (!sections) {
            for (const auto& other : inherits_) writer.inherits(other);
        }
    }
}

template <class T>
void Table<T>::paths(const std::string& path, std::vector<std::string>& out) const {
    for (const auto& entry : entries_) {
        if (!entry.borrowed) entry.paths(dotted(path, entry.info.name), out);
    }
}

template <class T>
void Table<T>::names(std::vector<std::string>& out) const {
    for (const auto& entry : entries_) out.push_back(entry.info.name);
}

}  // namespace posthorn::base::config
