// A JSON text read into values. RapidJSON reads, the tree is ours: the one of RapidJSON 1.1 is no valid C++ to clang 19.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace posthorn::base {

class JsonValue {
public:
    using Array = std::vector<JsonValue>;
    using Object = std::vector<std::pair<std::string, JsonValue>>;  // in the text's order
    using Any = std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object>;

    JsonValue() = default;  // null
    explicit JsonValue(Any value) : value_(std::move(value)) {}

    bool null() const { return std::holds_alternative<std::monostate>(value_); }
    std::optional<bool> boolean() const { return get<bool>(); }
    std::optional<std::int64_t> integer() const { return get<std::int64_t>(); }
    std::optional<double> number() const;  // an integer, too
    // Nothing when it is of another kind.
    const std::string* string() const { return std::get_if<std::string>(&value_); }
    const Array* array() const { return std::get_if<Array>(&value_); }
    const Object* object() const { return std::get_if<Object>(&value_); }
    // A member or an element; null when it is not there or this is no object or array.
    const JsonValue& operator[](std::string_view name) const;
    const JsonValue& operator[](std::size_t index) const;

private:
    template <class T>
    std::optional<T> get() const {
        const T* found = std::get_if<T>(&value_);
        return found != nullptr ? std::optional<T>(*found) : std::nullopt;
    }

    Any value_;
};

constexpr std::size_t kMaxJsonDepth = 64;

// One whole value; nothing when the text is no JSON, no UTF-8, or nested deeper than kMaxJsonDepth. The size of the
// text is the caller's to limit: the tree takes some ten times as much.
std::optional<JsonValue> read_json(std::string_view text);

}  // namespace posthorn::base
