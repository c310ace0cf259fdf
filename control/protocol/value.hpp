// What travels in a control frame: a tree of plain values, on the wire as MessagePack, for people as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace posthorn::control {

// Octets that need not be text: a message's own.
struct Bytes {
    std::string octets;
    bool operator==(const Bytes&) const = default;
};

class Value {
public:
    using List = std::vector<Value>;
    using Map = std::vector<std::pair<std::string, Value>>;  // in the order written

    Value() = default;  // nil
    Value(bool v) : data_(v) {}
    Value(double v) : data_(v) {}
    Value(std::string v) : data_(std::move(v)) {}
    Value(std::string_view v) : data_(std::string(v)) {}
    Value(const char* v) : data_(std::string(v)) {}
    Value(Bytes v) : data_(std::move(v)) {}
    Value(List v) : data_(std::move(v)) {}
    Value(Map v) : data_(std::move(v)) {}
    template <class T>
        requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
    Value(T v) : data_(static_cast<std::int64_t>(v)) {}

    static Value map() { return Value(Map{}); }
    static Value list() { return Value(List{}); }

    // Null when it is of another type.
    template <class T>
    const T* as() const {
        return std::get_if<T>(&data_);
    }
    bool nil() const { return std::holds_alternative<std::monostate>(data_); }
    const Map* members() const { return as<Map>(); }
    List* items() { return std::get_if<List>(&data_); }
    const List* items() const { return as<List>(); }

    // Of a map: the member, or null.
    const Value* find(std::string_view key) const;
    // Of a map: adds a member.
    Value& set(std::string key, Value value);
    // Of a list: adds an item.
    Value& add(Value item);

    std::string_view text() const { return as<std::string>() != nullptr ? *as<std::string>() : std::string_view{}; }
    std::optional<std::int64_t> integer() const;
    std::optional<double> number() const;  // an integer, too
    bool truth() const { return as<bool>() != nullptr && *as<bool>(); }

    bool operator==(const Value&) const = default;

private:
    std::variant<std::monostate, bool, std::int64_t, double, std::string, Bytes, List, Map> data_;
};

// Values a decoded frame may hold, counted through all levels: bounds the memory that a frame of tiny values takes.
inline constexpr std::size_t kMaxRequestValues = 20'000;
inline constexpr std::size_t kMaxAnswerValues = 4'000'000;

std::string encode(const Value& value);
// Nothing for what is not exactly one well-formed value, has keys that are not strings, or too many values.
std::optional<Value> decode(std::string_view bytes, std::size_t max_values);

std::string to_json(const Value& value, bool pretty);

}  // namespace posthorn::control
