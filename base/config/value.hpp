// A configuration file after parsing and before it means anything: values with the place they stood at. Free of
// the file's format, so that the tables of keys (base/config/table.hpp) know no TOML.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace posthorn::base::config {

struct Place {
    std::uint32_t line = 0;  // from 1; 0: not from a file
    std::uint32_t column = 0;
    auto operator<=>(const Place&) const = default;
};

struct Member;

struct Value {
    // monostate: something no key takes (a date)
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<Value>, std::vector<Member>>
        data;
    Place place;

    template <class T>
    const T* as() const {
        return std::get_if<T>(&data);
    }
    const std::vector<Member>* members() const { return as<std::vector<Member>>(); }
    std::string_view kind() const;  // "a string", "a table" ...: for messages
};

struct Member {
    std::string name;
    Place place;  // of the name
    Value value;
};

// What is wrong with a configuration, all of it.
class Problems {
public:
    struct Problem {
        Place place;
        std::string text;
    };

    void add(Place place, std::string text) { all_.push_back({place, std::move(text)}); }
    bool empty() const { return all_.empty(); }
    std::vector<Problem> sorted() const;
    // "file:line:column: text", one a line, in the order of the file.
    std::string text(std::string_view file) const;

private:
    std::vector<Problem> all_;
};

// The word of `known` that `word` was most likely meant to be, or "" when none is near: edit distance with
// transpositions, at most a third of its length (and at least 2).
std::string_view nearest(std::string_view word, const std::vector<std::string>& known);

// A dotted path's last name quoted where TOML wants it: delivery.domains."example.com".
std::string dotted(std::string_view path, std::string_view name);
// TOML's basic string, quotes included.
std::string quoted(std::string_view text);

}  // namespace posthorn::base::config
