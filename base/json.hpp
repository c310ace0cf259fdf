// Writing JSON: strings escaped, and a small writer that keeps the commas. Reading: base/json_value.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace posthorn::base {

// Appends `text` as a JSON string with its quotes. What is not UTF-8 becomes U+FFFD, so that the result always
// parses.
void append_json_string(std::string& out, std::string_view text);

// JsonWriter json; json.object().key("a").value(1).key("b").array().value("x").end().end(); json.text()
class JsonWriter {
public:
    JsonWriter& object() { return open('{', '}'); }
    JsonWriter& array() { return open('[', ']'); }
    JsonWriter& end();
    JsonWriter& key(std::string_view name);
    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
    JsonWriter& value(double number);
    JsonWriter& null() { return raw("null"); }
    template <class T>
        requires std::is_integral_v<T>
    JsonWriter& value(T v) {
        if constexpr (std::is_same_v<T, bool>)
            return raw(v ? "true" : "false");
        else
            return raw(std::to_string(v));
    }
    template <class T>
    JsonWriter& field(std::string_view name, const T& v) {
        return key(name).value(v);
    }
    const std::string& text() const { return text_; }
    std::string take() { return std::move(text_); }

private:
    JsonWriter& open(char opening, char closing);
    JsonWriter& raw(std::string_view text);
    void separate();

    std::string text_;
    std::string closers_;
    bool fresh_ = true;  // nothing stands before in this object or array, or a key does
};

}  // namespace posthorn::base
